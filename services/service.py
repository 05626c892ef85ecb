"""The BentoML service: a thin face over `gristmill.serving`, the same for every kind.

Two routes give the same answer to the same JSON. `/predict` is the lean ASGI application, mounted; `/api/predict` is
the typed API that Bento's client, schema and docs know. The guard stands in front of both, so both refuse alike.

A Bento holds this file beside `model/`, package.json and a wheel of the code it needs, and starts where Gristmill is not
installed.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Any

import bentoml
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

HERE = Path(__file__).resolve().parent
for wheel in HERE.glob("gristmill_serving-*.whl"):  # in a Bento; in the repository, the package is installed
    sys.path.insert(0, str(wheel))

from gristmill.serving.app import answer, create_app, service_from_environment  # noqa: E402
from gristmill.serving.guard import DECODED, Guard  # noqa: E402

TIMEOUT_S = 10

service = service_from_environment(HERE)
lean = create_app(service, guarded=False)


class OursFirst(bentoml.Service):  # type: ignore[misc]
    """Leads every path but BentoML's own to the lean application, before BentoML's layers; the guard leads them all."""

    THEIRS = ("/api/predict", "/docs.json", "/schema.json", "/static_content/")

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """What a worker runs."""
        theirs = super().to_asgi(is_main)

        async def lead(scope: Scope, receive: Receive, send: Send) -> None:
            is_theirs = scope["type"] != "http" or scope["path"].startswith(self.THEIRS)
            await (theirs if is_theirs else lean)(scope, receive, send)

        return Guard(lead, service)


class PredictRequest(bentoml.IODescriptor):  # type: ignore[misc]
    """One of the fields, as the model's kind has it; GET /schema says precisely what is accepted."""

    # Any: what is malformed is let in here, to be refused by the kind with a sentence instead of a traceback.
    images: Any = None
    rows: Any = None


class PredictAnswer(bentoml.IODescriptor):  # type: ignore[misc]
    """The answer, stamped with the model that gave it."""

    request_id: str
    version: str | None
    model_sha256: str
    predictions: list[dict[str, Any]]


@bentoml.service(
    name="gristmill",
    service_class=OursFirst,
    workers=int(os.environ.get("GRISTMILL_WORKERS", "1")),
    traffic={"timeout": TIMEOUT_S},
    http={"host": "127.0.0.1"},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},  # /metrics is ours, of both routes; BentoML's own would count each request once more
    tracing={"excluded_urls": ".*"},  # spans that nobody collects
)
@bentoml.asgi_app(lean, path="/")  # so that it is started and stopped with the worker
class Gristmill:
    """Predictions of the model in production."""

    def __init__(self) -> None:
        if "BENTOML_RUNNER_MAP" in os.environ and sys.platform == "linux":  # a worker, started by BentoML's arbiter
            pr_set_pdeathsig = 1  # prctl(2): a worker whose arbiter was killed would hold the port for ever
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)

    # The descriptors tell Bento's client, schema and docs what goes in and out. The question itself is the body as the
    # guard decoded it, for BentoML would drop fields that it does not know; its client may send null for one left out.
    @bentoml.api(route="/api/predict", input_spec=PredictRequest, output_spec=PredictAnswer)  # type: ignore[untyped-decorator]
    async def predict(self, ctx: bentoml.Context, **fields: Any) -> Response:
        """Label and class probabilities for each item, in the order given."""
        body = ctx.request.scope[DECODED]
        response = answer(
            service, {name: value for name, value in body.items() if value is not None or name not in fields}
        )
        ctx.response.status_code = response.status_code
        return response
