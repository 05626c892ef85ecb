"""What is refused before anyone reads it."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from gristmill.serving import guard
from gristmill.serving.access import Access
from gristmill.serving.guard import DECODED, MAX_BODY_BYTES, Guard
from gristmill.serving.metrics import Metrics
from gristmill.serving.predictor import Raw

JSON = {"content-type": "application/json"}


class Front:
    """What the guard counts with and asks for tokens."""

    def __init__(self, access: Access) -> None:
        self.access, self.metrics = access, Metrics()


class Behind:
    """Stands behind the guard and remembers what came through."""

    decoded: Any = None
    reached = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached = True
        self.decoded = scope.get(DECODED)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


def ask(
    body: bytes | list[bytes],
    headers: dict[str, str],
    method: str = "POST",
    never_ends: bool = False,
    path: str = "/predict",
    front: Front | None = None,
) -> tuple[int, dict[str, Any], Behind, int]:
    """Status, content, what was reached, and how many chunks were read."""
    chunks = body if isinstance(body, list) else [body]
    behind, sent, read = Behind(), [], 0

    def messages() -> Iterator[Message]:
        for i, chunk in enumerate(chunks):
            yield {"type": "http.request", "body": chunk, "more_body": never_ends or i + 1 < len(chunks)}

    waiting = messages()

    async def receive() -> Message:
        nonlocal read
        message = next(waiting, None)
        if message is None:
            await asyncio.Event().wait()  # a client that says no more
        assert message is not None
        read += 1
        return message

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Guard(behind, front or Front(Access(None)))(scope, receive, send))
    given = {name for name, _ in sent[0]["headers"]}
    assert {b"x-content-type-options", b"content-security-policy", b"cache-control", b"referrer-policy"} <= given
    content = json.loads(sent[1]["body"])
    return sent[0]["status"], content, behind, read


def test_a_json_object_goes_through_decoded() -> None:
    status, _, behind, _ = ask(b'{"rows": [1, 2.5, null]}', JSON | {"content-length": "24"})
    assert status == 200
    assert behind.decoded == {"rows": [1, 2.5, None]}


def test_a_request_without_a_body_goes_through_unread() -> None:
    status, _, behind, read = ask(b"", {}, method="GET")
    assert (status, behind.reached, read) == (200, True, 0)


REFUSED = {
    "no content type": (b"{}", {}, 415, "application/json"),
    "text": (b"{}", {"content-type": "text/plain"}, 415, "application/json"),
    "a form": (b"a=1", {"content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
    "a pickle": (b"\x80\x04N.", {"content-type": "application/vnd.bentoml+pickle"}, 415, "application/json"),
    "multipart": (b"--x--", {"content-type": "multipart/form-data; boundary=x"}, 415, "application/json"),
    "compressed": (b"\x1f\x8b", JSON | {"content-encoding": "gzip"}, 415, "compressed"),
    "an empty body": (b"", JSON, 400, "not valid JSON"),
    "malformed JSON": (b'{"rows": [1,}', JSON, 400, "not valid JSON"),
    "two documents": (b"{}{}", JSON, 400, "not valid JSON"),
    "NaN": (b'{"rows": [NaN]}', JSON, 400, "not valid JSON"),
    "infinity": (b'{"rows": [-Infinity]}', JSON, 400, "not valid JSON"),
    "a number beyond every float": (b'{"rows": [1e400]}', JSON, 400, "not valid JSON"),
    "a number of 5000 digits": (b'{"rows": [' + b"9" * 5000 + b"]}", JSON, 400, "not valid JSON"),
    "5000 levels": (b"[" * 5000 + b"]" * 5000, JSON, 400, "not valid JSON"),
    "no UTF-8": (b'{"rows": "\xff"}', JSON, 400, "not valid JSON"),
    "half a surrogate": (b'{"rows": "\\ud800"}', JSON, 400, "not valid JSON"),
    "a byte order mark": (b"\xef\xbb\xbf{}", JSON, 400, "not valid JSON"),
    "UTF-16": ("{}".encode("utf-16"), JSON, 400, "not valid JSON"),
    "a list": (b"[1, 2]", JSON, 400, "JSON object"),
    "a number": (b"1", JSON, 400, "JSON object"),
    "a length that is no number": (b"{}", JSON | {"content-length": "many"}, 413, "longer than"),
    "a length with a sign": (b"{}", JSON | {"content-length": "-1"}, 413, "longer than"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_json_object_is_refused_with_a_sentence(name: str) -> None:
    body, headers, expected, sentence = REFUSED[name]
    status, content, behind, _ = ask(body, headers)
    assert status == expected
    assert list(content) == ["error"]
    assert sentence in content["error"]
    assert content["error"].endswith(".")
    assert not behind.reached


def test_a_body_of_100_megabytes_is_refused_before_it_is_read() -> None:
    status, _, behind, read = ask(b"x", JSON | {"content-length": str(100 * 2**20)})
    assert (status, behind.reached, read) == (413, False, 0)


def test_a_body_without_a_length_is_counted_and_refused_when_it_is_too_long() -> None:
    chunk = b" " * 2**16
    status, content, behind, read = ask([chunk] * 1000, JSON)
    assert status == 413
    assert str(MAX_BODY_BYTES) in content["error"]
    assert not behind.reached
    assert read == MAX_BODY_BYTES // len(chunk) + 1


def test_a_body_of_just_the_limit_goes_through() -> None:
    body = b"{}" + b" " * (MAX_BODY_BYTES - 2)
    assert ask(body, JSON | {"content-length": str(len(body))})[0] == 200


def test_a_body_that_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_TIMEOUT_S", 0.05)
    status, content, behind, _ = ask([b'{"rows":'], JSON, never_ends=True)
    assert (status, behind.reached) == (408, False)
    assert "did not arrive" in content["error"]


# What is no JSON, who may ask, and what is counted


def test_raw_bytes_go_through_as_they_are_where_a_model_is_asked_and_nowhere_else() -> None:
    headers = {"content-type": "image/png"}
    assert ask(b"\x89PNG", headers)[2].decoded == Raw("image/png", b"\x89PNG")
    for path in ("/feedback", "/api/predict"):
        status, content, behind, _ = ask(b"\x89PNG", headers, path=path)
        assert (status, behind.reached) == (415, False)
        assert "application/json" in content["error"]


@pytest.fixture
def guarded(tmp_path: Path) -> Front:
    file = tmp_path / "tokens"
    file.write_text("a-token-of-sixteen\n", "utf-8")
    file.chmod(0o600)
    return Front(Access(file, frozenset({"/docs"})))


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong-wrong-wrong-wrong", "Basic a-token-of-sixteen", "a-token-of-sixteen"]
)
def test_without_a_token_nothing_is_read(guarded: Front, header: str | None) -> None:
    headers = JSON | ({"authorization": header} if header else {})
    status, content, behind, read = ask(b"{}", headers, front=guarded)
    assert (status, behind.reached, read) == (401, False, 0)
    assert "Bearer TOKEN" in content["error"]


def test_with_a_token_it_goes_through_and_what_is_open_needs_none(guarded: Front) -> None:
    assert ask(b"{}", JSON | {"authorization": "bearer  a-token-of-sixteen"}, front=guarded)[0] == 200
    for path in ("/livez", "/readyz", "/docs"):
        assert ask(b"", {}, method="GET", path=path, front=guarded)[0] == 200
    for path in ("/", "/metrics", "/model", "/openapi.json", "/docs/"):
        assert ask(b"", {}, method="GET", path=path, front=guarded)[0] == 401


def test_a_refusal_is_one_line_in_the_log_and_holds_no_token_and_no_data(
    guarded: Front, caplog: pytest.LogCaptureFixture
) -> None:
    ask(b"{}", JSON | {"authorization": "Bearer wrong-wrong-wrong-wrong"}, front=guarded)
    ask(b'{"rows": ["Jane Doe"', JSON | {"authorization": "Bearer a-token-of-sixteen"}, front=guarded)
    ask(b"", {}, method="GET", path="/model\n\x1b[2J" + "x" * 200, front=guarded)
    lines = [record.getMessage() for record in caplog.records]
    assert [json.loads(line)["why"] for line in lines] == ["token", "malformed", "token"]
    assert all(line.isprintable() and len(line) < 200 for line in lines)
    assert not any("wrong-wrong" in line or "sixteen" in line or "Jane" in line for line in lines)


def test_what_ends_is_counted_by_route_status_and_reason(guarded: Front) -> None:
    with_token = JSON | {"authorization": "Bearer a-token-of-sixteen"}
    for body in (b"{}", b"{}", b"{"):
        ask(body, with_token, front=guarded)
    ask(b"{}", JSON, path="/anything/a/caller/sends", front=guarded)
    text = guarded.metrics.text(0).decode()
    assert 'gristmill_requests_total{route="/predict",status="200"} 2.0' in text
    assert 'gristmill_requests_total{route="other",status="401"} 1.0' in text
    assert 'gristmill_refused_total{reason="malformed"} 1.0' in text
    assert 'gristmill_refused_total{reason="token"} 1.0' in text
    assert "gristmill_in_flight 0.0" in text
    counters = guarded.metrics.counters()
    assert (counters["requests"], counters["refused"], counters["failed"]) == (3, 2, 0)
    assert 0 < counters["p50_ms"] <= counters["p99_ms"]


def test_more_than_can_be_answered_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_IN_FLIGHT", 0)
    status, content, behind, read = ask(b"{}", JSON)
    assert (status, behind.reached, read) == (503, False, 0)
    assert "try again" in content["error"]


def test_a_web_socket_is_closed() -> None:
    sent = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    asyncio.run(Guard(Behind(), Front(Access(None)))({"type": "websocket", "path": "/"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1000}]
