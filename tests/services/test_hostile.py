"""Whatever is sent, the answer is no 5xx, and the log holds no traceback: a corpus, and schemathesis on the description."""

import collections
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import httpx
import pytest
from tests.services.conftest import REQUEST, Running
from tests.services.hostile import hostile

CORPUS = hostile()


def test_the_corpus_is_large_and_each_body_has_a_name_of_its_own() -> None:
    assert len(CORPUS) >= 100
    assert [name for name, n in collections.Counter(one.name for one in CORPUS).items() if n > 1] == []


def test_every_hostile_body_is_refused_with_a_sentence_and_no_traceback(running: Running) -> None:
    typed = running.log.parent.name.startswith("bento")
    with httpx.Client(base_url=running.url) as client:
        for one in CORPUS:
            headers = one.headers | ({"content-type": one.content_type} if one.content_type is not None else {})
            for path in [one.path, *(["/api/predict"] if typed and one.path == "/predict" else [])]:
                response = client.post(path, content=one.body, headers=headers)
                assert 400 <= response.status_code < 500, f"{one.name}: {response.status_code} {response.text[:200]}"
                assert list(response.json()) == ["error"], one.name
                assert response.json()["error"].endswith((".", "`")), f"{one.name}: {response.text[:200]}"
        assert client.post("/predict", json=REQUEST).status_code == 200
    assert "Traceback" not in running.log.read_text("utf-8")


def test_100_megabytes_are_refused_before_they_are_read(running: Running) -> None:
    parts = urlsplit(running.url)
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=10) as connection:
        head = (
            "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n"
        )
        connection.sendall(head.encode())  # and not one byte of the body
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "chosen",
    [
        ["--exclude-path", "/predict"],
        # What a PNG or an array holds, no schema says.
        ["--include-path", "/predict", "--exclude-checks", "positive_data_acceptance"],
    ],
    ids=["all other routes", "predict"],
)
def test_what_the_description_promises_holds(uvicorn: Running, chosen: list[str]) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{uvicorn.url}/openapi.json"]
    command += ["--max-examples", "60", "--seed", "1", "--no-color", *chosen]
    done = subprocess.run(command, capture_output=True, text=True, cwd=uvicorn.root, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Traceback" not in uvicorn.log.read_text("utf-8")
