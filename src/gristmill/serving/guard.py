"""What stands in front of every route: who may ask, and what is refused before anyone reads it.

Neither BentoML nor uvicorn limits a body, and BentoML answers deep nesting and over-long numbers with 500 (measured).
So this stands in front of both routes. It reads and decodes a body once, strictly, and hands it on in the scope; behind
it, a request is a JSON object in which every number is finite, or raw bytes of a content type that a kind may read. It also
counts and times what ends, and sends with every answer what tells a browser to trust nothing else.
"""

import asyncio
import json
import logging
import time
from typing import Any, Protocol

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gristmill.serving.access import Access
from gristmill.serving.metrics import REASONS, Metrics
from gristmill.serving.predictor import Raw

MAX_BODY_BYTES = 2 * 1024 * 1024
BODY_TIMEOUT_S = 5.0
"""Less than the time-out of the Bento, which answers 504 where this says what was wrong."""
MAX_IN_FLIGHT = 512
"""Requests of one worker at once; it answers one after another, so that the last of more would wait for nothing."""
DECODED = "gristmill.request"
"""Key of the decoded body in the ASGI scope."""

_RAW = {"application/octet-stream", "image/png"}
_ROUTES = {"/predict", "/api/predict", "/feedback"}
"""That take a body; elsewhere none is read."""
_RAW_ROUTES = {"/predict"}
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'",
}
_LONGEST_PATH = 80

_logger = logging.getLogger("gristmill.serving")


class Front(Protocol):
    """What the guard needs of the service behind it."""

    access: Access
    metrics: Metrics


class Guard:
    """Pure ASGI middleware: refuses with a sentence, or passes on a body that was read whole and decoded."""

    def __init__(self, app: ASGIApp, service: Front, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._app, self._service = app, service
        self._max_body_bytes = max_body_bytes
        self._n_in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass what may, count it, and say why where it may not."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            else:
                await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        metrics = self._service.metrics

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = list((_HEADERS | dict(message.get("headers", ()))).items())
            await send(message)

        self._n_in_flight += 1
        metrics.in_flight.inc()
        try:
            await self._pass(scope, receive, answer)
        finally:
            self._n_in_flight -= 1
            metrics.in_flight.dec()
            metrics.observe(scope["path"], status, time.perf_counter() - began)
            if status in REASONS:
                told = {"refused": status, "why": REASONS[status], "method": scope["method"]}
                _logger.warning(json.dumps({**told, "path": ascii(scope["path"][:_LONGEST_PATH])[1:-1]}))

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            headers = dict(scope["headers"])
            if not self._service.access.allows(scope["path"], headers.get(b"authorization", b"")):
                raise _Refused(401, "a bearer token is needed: authorization: Bearer TOKEN.")
            if scope["method"] != "POST" or scope["path"] not in _ROUTES:
                await self._app(scope, receive, send)
                return
            if self._n_in_flight > MAX_IN_FLIGHT:
                raise _Refused(503, f"more than {MAX_IN_FLIGHT} requests wait already; try again in a moment.")
            content_type = self._check_headers(scope["path"], headers)
            decoded = _decode(await self._read(receive), content_type)
        except _Refused as refused:
            await refuse(refused.status, refused.sentence)(scope, receive, send)
            return
        scope[DECODED] = decoded
        await self._app(scope, _read_already(receive), send)

    def _check_headers(self, path: str, headers: dict[bytes, bytes]) -> str:
        content_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
        if content_type != "application/json" and not (content_type in _RAW and path in _RAW_ROUTES):
            raise _Refused(415, "the content type has to be application/json.")
        if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise _Refused(415, "a compressed body is not accepted; send plain JSON.")
        length = headers.get(b"content-length")
        if length is not None and (not length.isdigit() or int(length[:20]) > self._max_body_bytes):
            raise self._too_long()
        return content_type

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


def refuse(status: int, sentence: str, allow: str | None = None) -> Response:
    """The one form of every refusal: {"error": sentence}. What was not read of the body goes with the connection.

    `allow` names the methods that a path takes instead.
    """
    headers = {"connection": "close"} if status in (408, 413) else {}
    if allow is not None:
        headers["allow"] = allow
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(orjson.dumps({"error": sentence}), status, media_type="application/json", headers=headers)


class _Refused(Exception):  # noqa: N818 - an outcome within this module, not a fault
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, sentence)
        self.status = status
        self.sentence = sentence


def _decode(body: bytes, content_type: str) -> dict[str, Any] | Raw:
    if content_type in _RAW:
        return Raw(content_type, body)
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
