"""The lean ASGI application, in process and under a real uvicorn."""

import asyncio
import io
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest
from PIL import Image
from tests.real_servers import lean_server
from tests.toy_models import IMAGES, TABULAR, write_bento

from gristmill.ground.files import write_json
from gristmill.serving.access import Access
from gristmill.serving.app import create_app
from gristmill.serving.service import Service

OPEN = Access(None)

DEPLOYMENT = {
    "workload": "toy",
    "version": "v1.2.0",
    "data_version": "d4",
    "commit": "c0ffee",
    "verdict": "PROMOTE",
    "sentence": "Surely better than v1.1.0.",
    "reason": "new data",
    "since": "2026-01-31 12:00 UTC",
    "metrics": {"holdout": {"accuracy": 0.9, "n": 1234}, "benchmark": {"n": 0}},
}


class Client:
    """Asks the application in this process; the life span of a real server is tested further down."""

    def __init__(self, service: Service) -> None:
        self._app = create_app(service)

    def request(self, method: str, path: str, **content: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
                return await client.request(method, path, **content)

        return asyncio.run(ask())

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, **content: Any) -> httpx.Response:
        return self.request("POST", path, **content)


@contextmanager
def asking(source: Path, root: Path | None = None, access: Access = OPEN) -> Iterator[Client]:
    service = Service(source, root, access)
    service.start()
    yield Client(service)
    service.stop()


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Client]:
    source = write_bento(tmp_path / "bento", IMAGES)
    write_json(tmp_path / "bento" / "deployment.json", DEPLOYMENT)
    with asking(source) as client:
        yield client


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Client]:
    with asking(write_bento(tmp_path / "bento", TABULAR)) as client:
        yield client


def test_a_batch_of_images_is_answered_with_labels_and_the_stamp_of_the_model(images: Client) -> None:
    answer = images.post("/predict", json={"images": [[[0, 0, 0]] * 4, [[255, 255, 255]] * 4]}).json()
    assert answer["version"] == "v1.2.0"
    assert len(answer["request_id"]) == 32
    assert answer["model_sha256"] == images.get("/model").json()["model_sha256"]
    for prediction in answer["predictions"]:
        assert list(prediction["probabilities"]) == IMAGES["classes"]
        assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert prediction["label"] == max(prediction["probabilities"], key=prediction["probabilities"].__getitem__)
    assert len(answer["predictions"]) == 2


def test_rows_are_answered_and_the_version_of_a_bento_on_its_own_is_null(table: Client) -> None:
    answer = table.post("/predict", json={"rows": [{"Age": None, "Amount": 2, "Housing": "Rent"}]}).json()
    assert answer["version"] is None
    assert set(answer["predictions"][0]["probabilities"]) == {"Bad", "Good"}


def test_the_same_image_as_json_as_an_array_and_as_a_png_has_the_same_answer(images: Client) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(4, 3) * 20
    array, picture = io.BytesIO(), io.BytesIO()
    np.save(array, pixels)
    Image.fromarray(pixels).save(picture, "PNG")
    expected = images.post("/predict", json={"images": [pixels.tolist()]}).json()["predictions"]
    for content, media_type in ((array, "application/octet-stream"), (picture, "image/png")):
        response = images.post("/predict", content=content.getvalue(), headers={"content-type": media_type})
        assert response.json()["predictions"] == expected


def test_a_table_takes_no_picture_and_says_what_it_takes(table: Client) -> None:
    response = table.post("/predict", content=b"\x89PNG", headers={"content-type": "image/png"})
    assert response.status_code == 415
    assert response.json()["error"] == "the content type image/png is not taken here; send application/json."


def test_feedback_comes_later_once_and_for_what_was_answered(tmp_path: Path) -> None:
    source = write_bento(tmp_path / "bento", IMAGES)
    with asking(source, tmp_path / "serving") as client:
        answer = client.post("/predict", json=client.get("/schema").json()["example"]).json()
    with asking(source, tmp_path / "serving") as client:  # another process of the same workload
        body = {"request_id": answer["request_id"], "label": "boot"}
        assert client.post("/feedback", json=body).json()["result"] == "taken"
        assert client.post("/feedback", json=body).json()["result"] == "known"
        assert client.post("/feedback", json=body | {"label": "coat"}).status_code == 409
        assert client.post("/feedback", json=body | {"request_id": "0" * 32}).status_code == 404
        assert client.post("/feedback", json=body | {"item": 1}).status_code == 404
        text = client.get("/metrics").text
    assert 'gristmill_feedback_total{result="taken"} 1.0' in text
    assert 'gristmill_feedback_total{result="refused"} 3.0' in text


def test_the_description_fits_the_service_and_its_example_is_answered(images: Client, table: Client) -> None:
    for client in (images, table):
        described = client.get("/openapi.json").json()
        asked = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
        jsonschema.validate(asked["example"], asked["schema"])
        answer = client.post("/predict", json=asked["example"]).json()
        jsonschema.validate(
            answer, described["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        )
        for path, methods in described["paths"].items():
            if "get" in methods:
                assert client.get(path).status_code == 200, path
    assert "security" not in described


def test_the_docs_can_be_read_without_a_network_and_escape_what_they_show(tmp_path: Path) -> None:
    source = write_bento(tmp_path / "bento", IMAGES | {"classes": ["<script>", "boot", "coat"]})
    with asking(source) as client:
        response = client.get("/docs")
    page = Links()
    page.feed(response.text)
    assert page.fetched == [] and page.links == ["openapi.json"]
    assert "<script>" not in response.text and "POST" in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_behind_tokens_the_description_says_so_and_only_who_has_one_reads_it(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("a-token-of-sixteen\n")
    (tmp_path / "tokens").chmod(0o600)
    with asking(write_bento(tmp_path / "bento", IMAGES), access=Access(tmp_path / "tokens")) as client:
        for path in ("/", "/docs", "/openapi.json", "/metrics", "/model", "/schema", "/counters", "/feedback"):
            assert client.get(path).status_code == 401, path
        assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
        headers = {"authorization": "Bearer a-token-of-sixteen"}
        described = client.request("GET", "/openapi.json", headers=headers).json()
        assert described["security"] == [{"token": []}]
        assert "Bearer $TOKEN" in client.request("GET", "/docs", headers=headers).text


BAD = {
    "wrong shape": {"images": [[[0, 0, 0]] * 3]},
    "flat": {"images": [[0] * 12]},
    "wrong type": {"images": [[["0", "0", "0"]] * 4]},
    "boolean": {"images": [[[True, False, True]] * 4]},
    "out of range": {"images": [[[256, 0, 0]] * 4]},
    "unknown field": {"images": [[[0, 0, 0]] * 4], "threshold": 0.5},
    "another kind's field": {"rows": [{"Age": 1}]},
    "too many": {"images": [[[0, 0, 0]] * 4] * 257},
    "empty": {},
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_question_is_a_4xx_with_a_sentence(images: Client, name: str) -> None:
    response = images.post("/predict", json=BAD[name])
    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert response.json()["error"].endswith(".")


@pytest.mark.parametrize("body", [b"", b"{", b'{"images": [[[NaN]]]}', b"[" * 5000, b"[]", b"\xff"])
def test_a_body_that_is_no_json_object_is_a_4xx_with_a_sentence(images: Client, body: bytes) -> None:
    response = images.post("/predict", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]


def test_an_unknown_category_is_told_which_are_known(table: Client) -> None:
    response = table.post("/predict", json={"rows": [{"Age": 1, "Amount": 2, "Housing": "Boat"}]})
    assert response.status_code == 400
    assert "'Own', 'Rent'" in response.json()["error"]


def test_the_wrong_method_and_the_wrong_path_say_where_to_look(images: Client) -> None:
    assert images.get("/predict").status_code == 405
    assert "GET" in images.get("/predict").json()["error"]
    assert images.get("/nothing").status_code == 404
    assert "/ says how" in images.get("/nothing").json()["error"]


def test_model_tells_where_the_answers_come_from(images: Client) -> None:
    about = images.get("/model").json()
    assert {key: about[key] for key in DEPLOYMENT} == DEPLOYMENT
    assert about["contract"] == IMAGES
    assert about["serving_sha256"]
    assert about["manifest"]["onnx_sha256"]
    assert about["refused"] is None


def test_the_example_of_the_schema_is_answered(images: Client) -> None:
    schema = images.get("/schema").json()
    assert images.post("/predict", json=schema["example"]).status_code == 200
    assert schema["request"]["required"] == ["images"]


def test_it_is_alive_but_not_ready_while_no_model_is_loaded(tmp_path: Path) -> None:
    source = write_bento(tmp_path / "bento", IMAGES)
    (source / "model" / "model.onnx").write_bytes(b"")
    with asking(source) as client:
        assert client.get("/livez").status_code == 200
        for path in ("/readyz", "/schema"):
            assert client.get(path).status_code == 503
            assert "model.onnx is not the file" in client.get(path).json()["error"]
        assert client.post("/predict", json={"images": []}).status_code == 503
        assert "model.onnx" in client.get("/model").json()["refused"]
        assert client.get("/").status_code == 200


class Links(HTMLParser):
    """Whatever a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"iframe", "img", "object"} or "src" in given or (tag == "link" and given["href"] != "data:,"):
            self.fetched.append(tag)
        if tag == "a" and given["href"]:
            self.links.append(str(given["href"]))


def test_the_page_says_how_to_ask_and_fetches_nothing_from_anywhere(images: Client) -> None:
    response = images.get("/")
    page = Links()
    page.feed(response.text)
    assert "toy v1.2.0" in response.text
    assert "curl -s http://toy/predict" in response.text
    assert page.fetched == []
    assert page.links
    assert all(images.get("/" + link).status_code == 200 for link in page.links)
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_the_page_says_what_is_served_and_why_which_data_and_code_made_it_and_how_good_it_was(images: Client) -> None:
    page = images.get("/").text
    assert '<span class="badge promote">PROMOTE</span><p>Surely better than v1.1.0.</p>' in page
    assert "<dt>since</dt><dd>2026-01-31 12:00 UTC</dd>" in page
    assert "<dt>because</dt><dd>new data</dd>" in page
    assert "<dt>data version</dt><dd><code>d4</code></dd>" in page
    assert "<dt>code</dt><dd><code>c0ffee</code></dd>" in page
    assert '<dt>accuracy, held out</dt><dd>0.9000<span class="detail">1,234 records</span></dd>' in page
    assert "benchmark" not in page


def test_what_was_deployed_cannot_write_into_the_page(tmp_path: Path) -> None:
    source = write_bento(tmp_path / "bento", IMAGES)
    write_json(tmp_path / "bento" / "deployment.json", {"version": "<script>alert(1)</script>"})
    with asking(source) as client:
        assert "<script>alert" not in client.get("/").text


@pytest.fixture(scope="module")
def uvicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("uvicorn")
    write_bento(folder / "bento", IMAGES)
    with lean_server(folder / "bento") as url:
        yield url


def test_it_answers_under_a_plain_uvicorn(uvicorn: str) -> None:
    example = httpx.get(f"{uvicorn}/schema").json()["example"]
    answer = httpx.post(f"{uvicorn}/predict", json=example)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["label"] in IMAGES["classes"]


def test_100_megabytes_are_refused_at_the_header_by_a_real_server(uvicorn: str) -> None:
    host, port = uvicorn.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = (
            "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n"
        )
        connection.sendall(head.encode())  # and not one byte of the body
        answer = connection.makefile("rb").read().decode()  # to the end: head and body may come apart
    assert answer.startswith("HTTP/1.1 413")
    assert "connection: close" in answer.lower()
    assert json.loads(answer.split("\r\n\r\n", 1)[1])["error"]


def test_an_endless_body_in_chunks_is_cut_off_by_a_real_server(uvicorn: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(10_000):
            yield b" " * 2**16

    try:
        response: Any = httpx.post(f"{uvicorn}/predict", content=chunks(), headers={"content-type": "application/json"})
    except httpx.TransportError:  # the server closed while the client was still sending
        return
    assert response.status_code == 413
