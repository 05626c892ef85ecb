"""The JSON Schema of a request for a table, and an example that fits it."""

from typing import Any

from gristmill.kinds.tabular.answers.request import LARGEST, MAX_ROWS


def schema(contract: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema (2020-12) of what `parse` accepts for this contract."""
    properties: dict[str, Any] = {
        column["name"]: {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}
        if column["type"] == "numeric"
        else {"enum": [*column["categories"], None]}
        for column in contract["columns"]
    }
    row = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"rows": {"type": "array", "minItems": 1, "maxItems": MAX_ROWS, "items": row}},
        "required": ["rows"],
        "additionalProperties": False,
    }


def example(contract: dict[str, Any]) -> dict[str, Any]:
    """A request that `parse` accepts: one row of zeros and first categories."""
    row = {
        column["name"]: 0 if column["type"] == "numeric" else next(iter(column["categories"]), None)
        for column in contract["columns"]
    }
    return {"rows": [row]}
