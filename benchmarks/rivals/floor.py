"""A Bento in which nothing happens: what BentoML costs before anyone does anything."""

import bentoml
from starlette.types import Receive, Scope, Send


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, and answer with an empty object."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


@bentoml.service(name="floor", workers=1, traffic={"timeout": 10}, logging={"access": {"enabled": False}})
@bentoml.asgi_app(nothing, path="/")
class Floor:
    """Answers everything."""
