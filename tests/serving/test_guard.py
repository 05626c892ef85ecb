"""What is refused before anyone reads it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from gristmill.serving import guard
from gristmill.serving.guard import DECODED, MAX_BODY_BYTES, Guard

JSON = {"content-type": "application/json"}


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
    body: bytes | list[bytes], headers: dict[str, str], method: str = "POST", never_ends: bool = False
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
        "path": "/predict",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Guard(behind)(scope, receive, send))
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
