"""The lean ASGI application: the routes, and nothing between a request and the model but the guard.

It runs alone under any ASGI server (`uvicorn --factory gristmill.serving.app:from_environment`), and is mounted in the
Bento; benchmarks/serving.py measures what each way costs.
"""

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gristmill.ground.errors import GristmillError
from gristmill.serving import access
from gristmill.serving.docs import render_docs
from gristmill.serving.feedback import FeedbackError
from gristmill.serving.guard import DECODED, Guard, refuse
from gristmill.serving.ids import UnknownIdError
from gristmill.serving.live import NotReadyError
from gristmill.serving.openapi import openapi
from gristmill.serving.page import PAGE_HEADERS, render_page
from gristmill.serving.predictor import MediaTypeError
from gristmill.serving.service import Service

PREDICT = "/predict"
_DOCS_HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}


def create_app(service: Service, *, guarded: bool = True) -> ASGIApp:
    """The application over models that may change while it runs.

    Args:
        service: started when the application starts, stopped when it ends.
        guarded: False where the guard already stands in front of everything, as in the Bento.
    """
    app = _Lean(service)
    return Guard(app, service) if guarded else app


def from_environment() -> ASGIApp:
    """The application for an unpacked Bento: GRISTMILL_BENTO names its folder, GRISTMILL_SERVING where pointers lie."""
    return create_app(service_from_environment(Path(os.environ["GRISTMILL_BENTO"]) / "src"))


def service_from_environment(carried: Path) -> Service:
    """The service over a Bento's `src` folder; GRISTMILL_SERVING, GRISTMILL_TOKENS and GRISTMILL_OPEN say the rest.

    Raises:
        TokenFileError: the tokens cannot be trusted.
    """
    root = os.environ.get("GRISTMILL_SERVING")
    return Service(carried, Path(root) if root else None, access.from_environment())


def answer(service: Service, request: Any) -> Response:
    """The answer to a decoded request, or the refusal of it: both routes end here."""
    try:
        return _json(service.answer(request))
    except GristmillError as error:
        return refuse(_status(error), str(error))


class _Lean(Starlette):
    """The routes; /predict, which is asked without a pause, goes past the router. BentoML starts a Starlette alone."""

    def __init__(self, service: Service) -> None:
        self._service = service
        handlers: Any = {HTTPException: _no_such_route, NotReadyError: _not_ready}
        routes = [
            Route("/", self._page),
            Route("/feedback", self._feedback, methods=["POST"]),
            Route("/model", self._model),
            Route("/schema", self._schema),
            Route("/openapi.json", self._description),
            Route("/docs", self._docs),
            Route("/metrics", self._metrics),
            Route("/counters", self._counters),
            Route("/livez", self._livez),
            Route("/readyz", self._readyz),
        ]
        super().__init__(routes=routes, exception_handlers=handlers, lifespan=self._living)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PREDICT:
            await super().__call__(scope, receive, send)
        elif scope["method"] == "POST":
            await answer(self._service, scope[DECODED])(scope, receive, send)
        else:
            await _wrong_method(PREDICT, scope["method"], "POST")(scope, receive, send)

    @contextlib.asynccontextmanager
    async def _living(self, _: Starlette) -> AsyncIterator[None]:
        self._service.start()
        # What has been loaded stays: looking through it for garbage made everybody wait, now and then (measured: 10 ms).
        gc.collect()
        gc.freeze()
        yield
        self._service.stop()

    async def _feedback(self, request: Request) -> Response:
        try:
            return _json(await asyncio.to_thread(self._service.take_feedback, request.scope[DECODED]))
        except GristmillError as error:
            self._service.metrics.feedback.labels("refused").inc()
            return refuse(_status(error), str(error))

    async def _model(self, _: Request) -> Response:
        return _json(self._service.describe())

    async def _schema(self, _: Request) -> Response:
        predictor = self._service.live.ask().predictor
        return _json({"request": predictor.schema, "example": predictor.example})

    async def _description(self, request: Request) -> Response:
        return _json(self._described(request))

    async def _docs(self, request: Request) -> Response:
        return HTMLResponse(render_docs(self._described(request)), headers=_DOCS_HEADERS)

    def _described(self, request: Request) -> dict[str, Any]:
        return openapi(self._service.live.ask(), self._service.access.is_guarded, str(request.base_url))

    async def _readyz(self, _: Request) -> Response:
        self._service.live.ask()
        refusal = self._service.live.refusal
        return PlainTextResponse(f"ready, but {refusal}\n" if refusal else "ready\n")

    async def _livez(self, _: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def _metrics(self, _: Request) -> Response:
        content = await asyncio.to_thread(self._service.metrics.text, self._service.log.depth)
        return Response(content, media_type="text/plain; version=0.0.4")

    async def _counters(self, _: Request) -> Response:
        return _json(await asyncio.to_thread(self._service.metrics.counters))

    async def _page(self, request: Request) -> Response:
        current = self._service.live.current
        example = current.predictor.example if current else None
        content = render_page(self._service.describe(), example, str(request.base_url))
        return HTMLResponse(content, headers=PAGE_HEADERS)


def _status(error: GristmillError) -> int:
    if isinstance(error, FeedbackError):
        return error.status
    if isinstance(error, NotReadyError):
        return 503
    if isinstance(error, MediaTypeError):
        return 415
    return 404 if isinstance(error, UnknownIdError) else 400


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


def _wrong_method(path: str, method: str, allowed: str) -> Response:
    return refuse(405, f"{path} does not take {method}; / says how to ask.", allowed)


async def _not_ready(_: Request, error: Exception) -> Response:
    return refuse(503, str(error))


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405 and error.headers:
        return _wrong_method(request.url.path, request.method, error.headers["Allow"])
    return refuse(error.status_code, f"there is nothing at {request.url.path[:80]}; / says how to ask.")
