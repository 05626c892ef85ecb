"""The page in a real browser, served by a real uvicorn with a small model.

Whatever a test does, the page must complain of nothing and ask no other host: the fixture `tab` looks at its end.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from tests.toy_models import IMAGES, REGRESSION, TABULAR, write_bento
from tools.browser import Tab, browser, has_browser

from gristmill.evaluation.report.style import STYLE as REPORT_STYLE
from gristmill.ground.files import write_json
from gristmill.serving.access import Access
from gristmill.serving.app import create_app
from gristmill.serving.guard import refuse
from gristmill.serving.page_style import STYLE
from gristmill.serving.service import Service as Core

needs_browser = pytest.mark.skipif(not has_browser(), reason="needs Debian's chromium")

DEPLOYMENT = {"workload": "toy", "version": "v1.2.0", "verdict": "PROMOTE", "sentence": "Better than v1.1.0."}
DATED = TABULAR | {
    "columns": [*TABULAR["columns"], {"name": "Since", "type": "date"}],
    "inputs": [{"name": "numeric", "dtype": "float32", "shape": ["N", 7]}, TABULAR["inputs"][1]],
}
COUNTERS = {
    "requests": 12345,
    "refused": 3,
    "failed": 0,
    "in_flight": 1,
    "p50_ms": 0.4321,
    "p99_ms": None,
    "swaps": 2,
    "since": "2026-01-31T12:00:00Z",
}


class Service:
    """The application, and what a test puts before it: a token that is asked for, and answers to other paths."""

    def __init__(self, source: Path) -> None:
        root = source.parent.parent / "serving"
        self._app = create_app(Core(source, root, Access(None)))
        self.token: str | None = None
        self.answers: dict[str, tuple[int, Any]] = {}
        """By path: status and JSON."""
        self.asked: dict[str, Any] = {}
        """By path: the body of the last question."""
        self._server = uvicorn.Server(
            uvicorn.Config(self._front, port=0, ws="none", interface="asgi3", log_level="warning")
        )
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            self._thread.join(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}/"

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.should_exit = True
        self._thread.join()

    async def _front(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""

        async def overheard() -> Any:
            nonlocal body
            message = await receive()
            body += message.get("body", b"")
            if body and not message.get("more_body"):
                self.asked[scope["path"]] = json.loads(body)
            return message

        request = Request(scope, overheard)
        if self.token and scope["path"] != "/" and request.headers.get("authorization") != f"Bearer {self.token}":
            await refuse(401, "this service answers only those who send its token.")(scope, receive, send)
        elif scope["path"] in self.answers:
            await request.body()
            status, content = self.answers[scope["path"]]
            await JSONResponse(content, status)(scope, receive, send)
        else:
            await self._app(scope, overheard, send)


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def tab(window: Tab) -> Iterator[Tab]:
    window.open("about:blank")
    window.requests.clear()
    window.complaints.clear()
    yield window
    assert window.complaints == []
    assert all(re.match(r"http://127\.0\.0\.1:\d+/|data:|blob:|about:", url) for url in window.requests)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Start a service of a small model with this contract; it ends with the test."""
    started = []

    def start(contract: dict[str, Any], damaged: bool = False, **deployment: Any) -> Service:
        source = write_bento(tmp_path / "bento", contract)
        write_json(tmp_path / "bento" / "deployment.json", DEPLOYMENT | deployment)
        if damaged:
            (source / "model" / "model.onnx").write_bytes(b"")
        started.append(Service(source))
        return started[0]

    yield start
    for service in started:
        service.stop()


@pytest.fixture
def images(serve: Callable[..., Service]) -> Service:
    return serve(IMAGES)


@pytest.fixture
def table(serve: Callable[..., Service]) -> Service:
    return serve(DATED)


def answered(tab: Tab) -> str:
    tab.until("!document.querySelector('#answer').hidden")
    return tab.text("#said")


def asked_image(service: Service) -> list[list[int]]:
    (image,) = service.asked["/predict"]["images"]
    return list(image)


@needs_browser
def test_a_drawing_is_answered_with_a_bar_for_each_class_highest_first(images: Service, tab: Tab) -> None:
    tab.open(images.url)
    tab.draw("#canvas", [(1 / 6, 0.1), (1 / 6, 0.9)])
    tab.click("#ask")
    said = answered(tab)
    assert all(row[0] > 200 and row[2] == 0 for row in asked_image(images))
    rows = tab.script(
        "[...document.querySelectorAll('#bars tr')].map(r => [r.cells[0].innerText, r.cells[2].innerText])"
    )
    shares = [float(share.removesuffix(" %")) for _, share in rows]
    assert {name for name, _ in rows} == set(IMAGES["classes"])
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(100, abs=0.2)
    assert said == ", ".join(rows[0])
    widths = tab.script("[...document.querySelectorAll('#bars .track span')].map(s => parseFloat(s.style.width))")
    assert widths == pytest.approx(shares, abs=0.051)
    assert "v1.2.0" in tab.text("#answered-by")
    assert re.fullmatch(r"[0-9a-f]{32}", tab.text("#request-id"))


@needs_browser
def test_a_finger_draws_too(images: Service, tab: Tab) -> None:
    tab.open(images.url, width=360, height=740)
    tab.draw("#canvas", [(5 / 6, 0.1), (5 / 6, 0.9)], finger=True)
    tab.click("#ask")
    answered(tab)
    assert all(row[0] == 0 and row[2] > 200 for row in asked_image(images))


@needs_browser
def test_who_has_no_mouse_draws_with_keys(images: Service, tab: Tab) -> None:
    tab.open(images.url)
    tab.script("document.querySelector('#canvas').focus()")
    tab.press("ArrowUp")
    tab.press("ArrowLeft")
    tab.press("ArrowLeft")  # no further than the edge
    tab.press(" ", "ArrowRight")
    assert tab.script("document.querySelector('#pen-place').textContent") == "Drawn at row 2, column 2"
    tab.press("ArrowDown")
    tab.script("document.querySelector('#ask').focus()")
    tab.press("Enter")
    answered(tab)
    assert asked_image(images) == [[0, 0, 0], [255, 255, 0], [0, 0, 0], [0, 0, 0]]


@needs_browser
def test_an_empty_drawing_is_not_asked_about(images: Service, tab: Tab) -> None:
    tab.open(images.url)
    tab.click("#example")
    tab.click("#clear")
    tab.click("#ask")
    assert "The picture is empty" in tab.text("#problem")
    assert "/predict" not in images.asked


@needs_browser
def test_a_picture_of_any_size_becomes_grey_and_as_large_as_the_contract_says(
    images: Service, tab: Tab, tmp_path: Path
) -> None:
    picture = Image.new("RGB", (300, 400), "white")
    picture.paste((255, 0, 0), (0, 0, 300, 100))
    picture.save(tmp_path / "red-above.png")
    tab.open(images.url)
    tab.upload("#upload", tmp_path / "red-above.png")
    tab.until("document.querySelector('#canvas').getContext('2d').getImageData(1, 3, 1, 1).data[0] === 255")
    tab.click("#ask")
    answered(tab)
    asked = asked_image(images)
    assert 76 <= min(asked[0]) <= max(asked[0]) < 120, "red is 76 of 255; smoothing brings in a little of what is below"
    assert asked[2:] == [[255] * 3] * 2
    tab.click("#invert")
    tab.click("#ask")
    tab.until("document.querySelector('#ask').ariaDisabled === 'false'")
    assert asked_image(images) == [[255 - pixel for pixel in row] for row in asked]


@needs_browser
def test_a_file_that_is_no_picture_gets_a_sentence(images: Service, tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture", "utf-8")
    tab.open(images.url)
    tab.upload("#upload", tmp_path / "notes.txt")
    tab.until("document.querySelector('#problem').innerText")
    assert "notes.txt is no picture that this browser can read" in tab.text("#problem")


@needs_browser
def test_the_example_is_the_schemas(images: Service, tab: Tab) -> None:
    tab.open(images.url)
    tab.click("#example")
    tab.click("#ask")
    answered(tab)
    assert images.asked["/predict"] == tab.script("fetch('schema').then(r => r.json())")["example"]


@needs_browser
def test_a_row_is_filled_in_and_answered(table: Service, tab: Tab) -> None:
    tab.open(table.url)
    tab.click("#ask")
    answered(tab)
    (example,) = tab.script("fetch('schema').then(r => r.json())")["example"]["rows"]
    assert table.asked["/predict"] == {"rows": [example]}
    tab.click("#clear")
    tab.click("#field-1")
    tab.type("12.5")
    tab.script("document.querySelector('#field-2').value = '1'")
    tab.click("#ask")
    tab.until("document.querySelector('#ask').ariaDisabled === 'false'")
    assert table.asked["/predict"] == {"rows": [{"Age": None, "Amount": 12.5, "Housing": "Rent", "Since": None}]}
    tab.click("#example")
    tab.click("#ask")
    tab.until("document.querySelector('#ask').ariaDisabled === 'false'")
    assert table.asked["/predict"] == {"rows": [example]}


@needs_browser
def test_what_the_service_refuses_is_said_until_it_answers(table: Service, tab: Tab) -> None:
    tab.open(table.url)
    tab.click("#clear")
    tab.click("#field-0")
    tab.type("1e39")
    tab.click("#ask")
    tab.until("document.querySelector('#problem').innerText")
    assert tab.text("#problem").startswith("rows[0].Age is 1e+39; a number between")
    assert tab.script("document.querySelector('#problem').role") == "alert"
    tab.click("#example")
    tab.click("#ask")
    answered(tab)
    assert tab.text("#problem") == ""


@needs_browser
def test_a_service_that_is_gone_is_said_to_be(images: Service, tab: Tab) -> None:
    tab.open(images.url)
    tab.click("#example")
    images.stop()
    tab.click("#ask")
    tab.until("document.querySelector('#problem').innerText")
    assert "The service cannot be reached" in tab.text("#problem")


@needs_browser
@pytest.mark.parametrize(
    ("answer", "sentence"),
    [((502, None), "The service answered 502, without a reason."), ((200, {}), "something that this page cannot read")],
)
def test_an_answer_that_is_none_is_said_to_be(
    answer: tuple[int, Any], sentence: str, images: Service, tab: Tab
) -> None:
    images.answers["/predict"] = answer
    tab.open(images.url)
    tab.click("#example")
    tab.click("#ask")
    tab.until("document.querySelector('#problem').innerText")
    assert sentence in tab.text("#problem")


@needs_browser
def test_two_clicks_ask_once(images: Service, tab: Tab) -> None:
    tab.open(images.url)
    tab.click("#example")
    tab.script("document.querySelector('#ask').click(), document.querySelector('#ask').click()")
    answered(tab)
    assert tab.requests.count(f"{images.url}predict") == 1


@needs_browser
def test_a_token_is_asked_for_when_the_service_wants_one_and_kept_nowhere(images: Service, tab: Tab) -> None:
    images.token = "open-sesame"  # noqa: S105 - of this test's service
    tab.open(images.url)
    tab.click("#example")
    assert not tab.text("#token-form")
    tab.click("#ask")
    tab.until("!document.querySelector('#token-form').hidden")
    assert "only those who send its token" in tab.text("#problem")
    tab.type("sesame")
    tab.press("Enter")
    tab.until("document.querySelector('#token-form').checkVisibility()")
    tab.script("document.querySelector('#token').select()")
    tab.type("open-sesame")
    tab.press("Enter")
    answered(tab)
    assert not tab.text("#token-form") and not tab.text("#problem")
    assert tab.script("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


@needs_browser
def test_the_true_class_goes_to_feedback_and_what_it_says_is_shown(images: Service, tab: Tab) -> None:
    images.answers["/feedback"] = (400, {"error": "this answer is too old."})
    tab.open(images.url)
    tab.click("#example")
    tab.click("#ask")
    said = answered(tab)
    chosen = "document.querySelector('#truth')"
    assert said.startswith(tab.script(f"{chosen}.selectedOptions[0].text"))
    tab.script(f"{chosen}.value = '1'")
    tab.click("#feedback button")
    tab.until("document.querySelector('#noted').innerText")
    assert tab.text("#noted") == "this answer is too old."
    images.answers["/feedback"] = (200, {"recorded": True, "label": "boot"})
    tab.click("#feedback button")
    tab.until("document.querySelector('#feedback').hidden")
    assert tab.text("#noted") == "Noted: boot. recorded: true."
    assert images.asked["/feedback"] == {"request_id": tab.text("#request-id"), "item": 0, "label": "boot"}


@needs_browser
def test_the_true_class_is_kept_by_the_service_itself(images: Service, tab: Tab) -> None:
    tab.open(images.url)
    tab.click("#example")
    tab.click("#ask")
    answered(tab)
    tab.click("#feedback button")
    tab.until("document.querySelector('#feedback').hidden")
    assert "result: taken" in tab.text("#noted")


@needs_browser
def test_a_service_that_keeps_no_feedback_is_not_asked_to(images: Service, tab: Tab) -> None:
    images.answers["/feedback"] = (404, {"error": "there is nothing at /feedback."})
    tab.open(images.url)
    tab.click("#example")
    tab.click("#ask")
    answered(tab)
    tab.click("#feedback button")
    tab.until("document.querySelector('#feedback').hidden")
    assert tab.text("#noted") == "This service keeps no feedback."


@needs_browser
def test_counters_are_shown_as_they_move_and_only_where_there_are_any(images: Service, tab: Tab) -> None:
    images.answers["/counters"] = (404, {"error": "there is nothing at /counters."})
    tab.open(images.url)
    assert not tab.text("#counters")
    images.answers["/counters"] = (200, COUNTERS)
    tab.open(images.url)
    tab.until("!document.querySelector('#counters').hidden")
    shown = tab.text("#counters").split("\n")
    assert shown[shown.index("requests") + 1] == "12,345"
    assert shown[shown.index("median, ms") + 1] == "0.43"
    assert shown[shown.index("99th percentile, ms") + 1] == "–"
    assert "2026" in shown[shown.index("counted since") + 1]
    images.answers["/counters"] = (200, COUNTERS | {"requests": 12346})
    tab.until("document.querySelector('#counters').innerText.includes('12,346')")


@needs_browser
def test_an_answer_of_a_version_that_came_meanwhile_says_so(images: Service, tab: Tab) -> None:
    tab.open(images.url)
    tab.click("#example")
    probabilities = {"bag": 0.1, "boot": 0.7, "coat": 0.2}
    predictions = [{"label": "boot", "probabilities": probabilities}]
    images.answers["/predict"] = (200, {"request_id": "1", "version": "v1.3.0", "predictions": predictions})
    tab.click("#ask")
    assert answered(tab) == "boot, 70.0 %"
    assert "another version answered" in tab.text("#answer")


@needs_browser
def test_a_regression_answers_with_a_number_and_takes_one_back(serve: Callable[..., Service], tab: Tab) -> None:
    service = serve(REGRESSION)
    service.answers["/feedback"] = (200, {})
    tab.open(service.url)
    tab.click("#field-1")
    tab.type("5")
    tab.click("#ask")
    assert re.fullmatch(r"-?\d+\.\d+", answered(tab))
    tab.click("#truth")
    tab.type("1300")
    tab.press("Enter")
    tab.until("document.querySelector('#noted').innerText")
    assert service.asked["/feedback"]["label"] == 1300


HOSTILE = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\u2028'\"&amp;"]


@needs_browser
def test_what_comes_from_data_is_text_and_nothing_else(serve: Callable[..., Service], tab: Tab) -> None:
    columns = [TABULAR["columns"][0], {"name": HOSTILE[0], "type": "numeric"}]
    columns.append({"name": HOSTILE[1], "type": "categorical", "categories": HOSTILE})
    contract = TABULAR | {"classes": HOSTILE[:2], "columns": columns}
    service = serve(contract, workload=HOSTILE[1], version=HOSTILE[0], reason=HOSTILE[1])
    tab.open(service.url)
    tab.click("#ask")
    answered(tab)
    rows = "[...document.querySelectorAll('#bars th')].map(h => h.innerText)"
    assert set(tab.script(rows)) == set(HOSTILE[:2])
    assert HOSTILE[0] in tab.text("#answered-by")
    assert tab.script("[...document.querySelectorAll('#field-2 option')].map(o => o.text)")[1:3] == HOSTILE[:2]
    assert tab.script("document.scripts.length") == 2
    assert tab.script("document.images.length") == 0


@needs_browser
def test_a_script_that_got_in_would_not_run_and_could_reach_no_one(images: Service, tab: Tab) -> None:
    tab.open(images.url)
    tab.script(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))"
    )
    tab.script("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"window.ran = true\">')")
    assert tab.script("fetch('http://127.0.0.2:1/').then(() => 'reached', () => 'refused')") == "refused"
    assert tab.script("window.ran ?? null") is None
    for refused in ("inline script", "inline event handler", "127.0.0.2"):
        assert any(refused in said and "Content Security Policy" in said for said in tab.complaints)
    tab.complaints.clear()
    tab.requests.clear()


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("contract", [IMAGES, DATED], ids=["images", "tabular"])
def test_a_narrow_window_shows_it_whole(
    contract: dict[str, Any], scheme: str, serve: Callable[..., Service], tab: Tab
) -> None:
    service = serve(contract, model_sha256="a" * 64, metrics={"holdout": {"accuracy": 0.9, "n": 12}})
    service.answers["/counters"] = (200, COUNTERS)
    tab.open(service.url, width=360, height=740, scheme=scheme)
    tab.click("#example")
    tab.click("#ask")
    answered(tab)
    tab.until("!document.querySelector('#counters').hidden")
    assert tab.script("document.documentElement.scrollWidth") <= 360
    background = tab.script("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(245, 246, 248)", "dark": "rgb(18, 21, 25)"}[scheme]


@needs_browser
@pytest.mark.parametrize("contract", [IMAGES, DATED], ids=["images", "tabular"])
def test_all_that_can_be_used_has_a_name_to_be_called_by(
    contract: dict[str, Any], serve: Callable[..., Service], tab: Tab
) -> None:
    service = serve(contract)
    tab.open(service.url)
    tab.click("#example")
    tab.click("#ask")
    answered(tab)
    used = {"button", "textbox", "spinbutton", "combobox", "slider", "Date", "link", "application"}
    nodes = tab.ask("Accessibility.getFullAXTree")["nodes"]
    named = [(n["role"]["value"], n["name"]["value"]) for n in nodes if n.get("role", {}).get("value") in used]
    assert len(named) >= 8
    assert all(name for _, name in named), named


@needs_browser
def test_without_a_model_the_page_says_why_and_asks_nothing(serve: Callable[..., Service], tab: Tab) -> None:
    tab.open(serve(IMAGES, damaged=True).url)
    assert "model.onnx is not the file" in tab.text("header .alert")
    assert tab.script("document.querySelector('#question')") is None


def schemes(style: str) -> list[dict[str, str]]:
    """The colours by name: light, and dark."""
    light, dark = style.split("prefers-color-scheme:dark", 1)
    return [dict(re.findall(r"--([\w-]+):(#\w+)", part.split("}")[0])) for part in (light, dark)]


def test_the_colours_are_those_of_the_reports_pages() -> None:
    for ours, theirs in zip(schemes(STYLE), schemes(REPORT_STYLE), strict=True):
        assert ours and ours.items() <= theirs.items()


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 has it."""
    digits = "".join(2 * d for d in colour[1:]) if len(colour) == 4 else colour[1:]
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    "pair", ["ink paper", "ink ground", "soft paper", "soft ground", "accent paper", "bad bad-soft"]
)
def test_text_stands_out_as_much_as_wcag_asks(scheme: int, pair: str) -> None:
    colours = schemes(STYLE)[scheme]
    lighter, darker = sorted((luminance(colours[name]) for name in pair.split()), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
