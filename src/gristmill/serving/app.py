"""The lean ASGI application: the routes, and nothing between a request and the model but the guard.

It runs alone under any ASGI server (`uvicorn --factory gristmill.serving.app:from_environment`), and is mounted in the
Bento, whose framework costs two to three times as much CPU for one answer (measured).
"""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from gristmill.ground.errors import GristmillError
from gristmill.serving.guard import DECODED, Guard, refuse
from gristmill.serving.live import Live, NotReadyError
from gristmill.serving.page import PAGE_HEADERS, render_page


def create_app(live: Live, *, guarded: bool = True) -> Starlette:
    """The application over a model that may change while it runs.

    Args:
        live: loaded when the application starts, stopped when it ends.
        guarded: False where the guard already stands in front of everything, as in the Bento.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        live.start()
        yield
        live.stop()

    async def predict(request: Request) -> Response:
        return answer(live, request.scope[DECODED])

    async def model(_: Request) -> Response:
        return _json(describe(live))

    async def schema(_: Request) -> Response:
        if (serving := live.current) is None:
            return refuse(503, str(NotReadyError(live.refusal)))
        return _json({"request": serving.predictor.schema, "example": serving.predictor.example})

    async def readyz(_: Request) -> Response:
        if live.current is None:
            return refuse(503, str(NotReadyError(live.refusal)))
        return PlainTextResponse("ready\n")

    async def livez(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def page(request: Request) -> Response:
        example = live.current.predictor.example if live.current else None
        content = render_page(describe(live), example, str(request.base_url))
        return HTMLResponse(content, headers=PAGE_HEADERS)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/predict", predict, methods=["POST"]),
            Route("/model", model),
            Route("/schema", schema),
            Route("/livez", livez),
            Route("/readyz", readyz),
        ],
        middleware=[Middleware(Guard)] if guarded else [],
        exception_handlers={HTTPException: _no_such_route},
        lifespan=lifespan,
    )


def from_environment() -> Starlette:
    """The application for an unpacked Bento: GRISTMILL_BENTO names its folder, GRISTMILL_SERVING where pointers lie."""
    return create_app(Live(Path(os.environ["GRISTMILL_BENTO"]) / "src", serving_root()))


def serving_root() -> Path | None:
    """The folder of current.json and its bundles, or None where nobody deploys."""
    root = os.environ.get("GRISTMILL_SERVING")
    return Path(root) if root else None


def answer(live: Live, request: Any) -> Response:
    """The answer to a decoded request, or the refusal of it: both routes end here."""
    try:
        return _json(live.ask().answer(request))
    except NotReadyError as error:
        return refuse(503, str(error))
    except GristmillError as error:
        return refuse(400, str(error))


def describe(live: Live) -> dict[str, Any]:
    """What `/model` says: what was deployed, what was packaged, and why the pointer is not followed, if it is not."""
    about: dict[str, Any] = {"workload": None, "version": None, "refused": live.refusal}
    if (serving := live.current) is not None:
        manifest, contract = serving.predictor.manifest, serving.predictor.contract
        about |= {"workload": manifest.get("workload"), **serving.deployment, **serving.package}
        about |= {"contract": contract, "manifest": manifest}
    return about


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 405:
        return refuse(405, f"{request.url.path} does not take {request.method}; / says how to ask.")
    return refuse(status, f"there is nothing at {request.url.path[:80]}; / says how to ask.")
