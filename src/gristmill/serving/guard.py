"""What is refused before anyone reads it: too long, of another type, or no JSON object.

Neither BentoML nor uvicorn limits a body, and BentoML answers deep nesting and over-long numbers with 500 (measured).
So this stands in front of both routes. It reads and decodes the body once, strictly, and hands it on in the scope; behind
it, a request is a JSON object in which every number is finite.
"""

import asyncio
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 2 * 1024 * 1024
BODY_TIMEOUT_S = 5.0
"""Less than the time-out of the Bento, which answers 504 where this says what was wrong."""
DECODED = "gristmill.request"
"""Key of the decoded body in the ASGI scope."""

_METHODS_WITH_BODY = {"POST", "PUT", "PATCH"}


class Guard:
    """Pure ASGI middleware: refuses with a sentence, or passes on a body that was read whole and decoded."""

    def __init__(self, app: ASGIApp, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass what has no body to be read."""
        if scope["type"] != "http" or scope["method"] not in _METHODS_WITH_BODY:
            await self._app(scope, receive, send)
            return
        try:
            self._check_headers(dict(scope["headers"]))
            decoded = _decode(await self._read(receive))
        except _Refused as refused:
            await refuse(refused.status, refused.sentence)(scope, receive, send)
            return
        scope[DECODED] = decoded
        await self._app(scope, _read_already(receive), send)

    def _check_headers(self, headers: dict[bytes, bytes]) -> None:
        content_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if content_type != b"application/json":
            raise _Refused(415, "the content type has to be application/json.")
        if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise _Refused(415, "a compressed body is not accepted; send plain JSON.")
        length = headers.get(b"content-length")
        if length is not None and (not length.isdigit() or int(length[:20]) > self._max_body_bytes):
            raise self._too_long()

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Refused(400, "the request ended before its body did.")
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size > self._max_body_bytes:  # sent in chunks, without a length to refuse it by
                        raise self._too_long()
                    chunks.append(chunk)
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError as error:
            raise _Refused(408, f"the body did not arrive within {BODY_TIMEOUT_S:g} seconds.") from error

    def _too_long(self) -> "_Refused":
        return _Refused(413, f"the body is longer than {self._max_body_bytes} bytes; send fewer items at once.")


def refuse(status: int, sentence: str) -> Response:
    """The one form of every refusal: {"error": sentence}. What was not read of the body goes with the connection."""
    return Response(
        orjson.dumps({"error": sentence}),
        status,
        media_type="application/json",
        headers={"connection": "close"} if status in (408, 413) else None,
    )


class _Refused(Exception):  # noqa: N818 - an outcome within this module, not a fault
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, sentence)
        self.status = status
        self.sentence = sentence


def _decode(body: bytes) -> dict[str, Any]:
    try:
        decoded = orjson.loads(body)  # strict: no NaN, no infinity, at most 1024 levels deep
    except orjson.JSONDecodeError as error:
        raise _Refused(400, f"the body is not valid JSON: {error}.") from error
    if not isinstance(decoded, dict):
        raise _Refused(400, "the body has to be a JSON object; /schema shows one that works.")
    return decoded


def _read_already(receive: Receive) -> Receive:
    """What is behind the guard takes the decoded body from the scope.

    BentoML reads a body for itself, less strictly, and answers 500 where it cannot: it gets an empty object.
    """
    unread = [b"{}"]

    async def replay() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replay
