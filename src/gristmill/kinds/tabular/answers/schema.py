"""The JSON Schema of a request for a table, and an example that fits it."""

from typing import Any

import numpy as np

from gristmill.kinds.tabular.answers.request import LARGEST, MAX_ROWS

_SAMPLED = 32
_MISSING = 0.05
_DATE = r"^\s*\d{4}-\d{2}-\d{2}([T ]|\s*$)"
"""How every date begins; whether there is such a day, the check says."""


def schema(contract: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema (2020-12) of what `parse` accepts for this contract."""
    properties = {column["name"]: _property(column) for column in contract["columns"]}
    row = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"rows": {"type": "array", "minItems": 1, "maxItems": MAX_ROWS, "items": row}},
        "required": ["rows"],
        "additionalProperties": False,
    }


def example(contract: dict[str, Any]) -> dict[str, Any]:
    """A request that `parse` accepts: one row of zeros, first categories and the first day of 2026."""
    return {"rows": [{column["name"]: _example(column) for column in contract["columns"]}]}


def sample(contract: dict[str, Any]) -> dict[str, Any]:
    """Rows made by chance, of small and large numbers, all categories and missing values: the same ones each time."""
    generator = np.random.default_rng(0)
    return {
        "rows": [{column["name"]: _drawn(column, generator) for column in contract["columns"]} for _ in range(_SAMPLED)]
    }


def _drawn(column: dict[str, Any], generator: np.random.Generator) -> Any:
    if generator.random() < _MISSING:
        return None
    if column["type"] == "categorical":
        names = list(column["categories"])
        return names[generator.integers(len(names))] if names else None
    if column["type"] == "date":
        return str(np.datetime64("2026-01-01") + generator.integers(-3650, 3650))
    return round(float(generator.normal() * 10 ** generator.integers(0, 4)), 3)


def _property(column: dict[str, Any]) -> dict[str, Any]:
    if column["type"] == "numeric":
        return {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}
    if column["type"] == "date":
        return {"type": ["string", "null"], "pattern": _DATE, "description": "ISO 8601: a date, or a date and a time"}
    return {"enum": [*column["categories"], None]}


def _example(column: dict[str, Any]) -> Any:
    if column["type"] == "categorical":
        return next(iter(column["categories"]), None)
    return 0 if column["type"] == "numeric" else "2026-01-01"
