"""The service's own description, OpenAPI 3.1, made from the contract of the model that answers: its examples work."""

from typing import Any

from gristmill.serving.guard import MAX_BODY_BYTES
from gristmill.serving.live import Serving

_JSON = "application/json"
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "What was wrong, and how to mend it."}},
    "required": ["error"],
    "additionalProperties": False,
}
_REFUSALS = {
    "400": "The request is not one that this model can answer.",
    "401": "No bearer token, or a wrong one.",
    "404": "The request id was not given out here, or its answer had no such item.",
    "405": "This path does not take this method.",
    "408": "The body did not arrive in time.",
    "409": "Another label was given before.",
    "413": f"The body is longer than {MAX_BODY_BYTES:,} bytes.",
    "415": "The body is of a content type that is not taken.",
    "503": "No model is loaded, or too many requests wait.",
}


def openapi(serving: Serving, is_guarded: bool, address: str) -> dict[str, Any]:
    """Describe every route.

    Args:
        serving: what answers.
        is_guarded: whether a bearer token is needed.
        address: of the service, as the caller wrote it.
    """
    contract, predictor = serving.predictor.contract, serving.predictor
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": str(predictor.manifest.get("workload") or "A model"),
            "version": serving.version or "unregistered",
            "description": "Predictions of the model in production, each with the version that made it.",
        },
        "servers": [{"url": address.rstrip("/")}],
        "paths": {
            "/predict": {"post": _predict(serving)},
            "/feedback": {"post": _feedback(contract)},
            "/model": {"get": _read("What answers, and where it came from.", _object())},
            "/schema": {"get": _read("What may be asked, as JSON Schema, with an example.", _object())},
            "/counters": {"get": _read("A few numbers for the page.", _object())},
            "/metrics": {"get": _read("All numbers, for Prometheus.", {"type": "string"}, "text/plain")},
            "/livez": {"get": _read("Whether the process is alive.", {"type": "string"}, "text/plain", is_open=True)},
            "/readyz": {"get": _read("Whether a model is loaded.", {"type": "string"}, "text/plain", is_open=True)},
        },
        "components": {"schemas": {"Refusal": _ERROR}},
    }
    if is_guarded:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


def _predict(serving: Serving) -> dict[str, Any]:
    predictor = serving.predictor
    schema = {name: value for name, value in predictor.schema.items() if name != "$schema"}
    content: dict[str, Any] = {_JSON: {"schema": schema, "example": predictor.example}}
    for media_type in predictor.media:
        content[media_type] = {"schema": {"type": "string", "contentMediaType": media_type}}
    return {
        "summary": "Ask the model.",
        "operationId": "predict",
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {
                "description": "An answer for each item.",
                "content": {_JSON: {"schema": _answer(predictor.contract)}},
            },
            **_refusals("400", "401", "408", "413", "415", "503"),
        },
    }


def _answer(contract: dict[str, Any]) -> dict[str, Any]:
    if contract["task"] == "regression":
        item = _object(prediction={"type": "number"})
    else:
        classes = contract["classes"]
        probabilities = _object(**{str(name): {"type": "number", "minimum": 0, "maximum": 1.001} for name in classes})
        item = _object(label={"enum": list(classes)}, probabilities=probabilities)
    return _object(
        request_id={"type": "string", "pattern": "^[0-9a-f]{32}$"},
        version={"type": ["string", "null"]},
        model_sha256={"type": "string"},
        predictions={"type": "array", "items": item},
    )


def _feedback(contract: dict[str, Any]) -> dict[str, Any]:
    label = {"type": "number"} if contract["task"] == "regression" else {"enum": list(contract["classes"])}
    body = {
        "type": "object",
        "properties": {
            "request_id": {"type": "string", "description": "That came with the answer."},
            "item": {"type": "integer", "minimum": 0, "default": 0, "description": "Place in the answer's list."},
            "label": label,
        },
        "required": ["request_id", "label"],
        "additionalProperties": False,
    }
    return {
        "summary": "Tell the true label of an item that was answered; once.",
        "operationId": "feedback",
        "requestBody": {"required": True, "content": {_JSON: {"schema": body}}},
        "responses": {
            "200": {"description": "It is kept.", "content": {_JSON: {"schema": _object()}}},
            **_refusals("400", "401", "404", "408", "409", "413", "415", "503"),
        },
    }


def _read(summary: str, schema: dict[str, Any], media_type: str = _JSON, *, is_open: bool = False) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            "200": {"description": "As it says.", "content": {media_type: {"schema": schema}}},
            **_refusals("401", "503"),
        },
    }
    return operation | ({"security": []} if is_open else {})


def _refusals(*statuses: str) -> dict[str, Any]:
    content = {_JSON: {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    return {status: {"description": _REFUSALS[status], "content": content} for status in statuses}


def _object(**properties: Any) -> dict[str, Any]:
    if not properties:
        return {"type": "object"}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
