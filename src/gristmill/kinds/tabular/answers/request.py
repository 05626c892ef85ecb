"""A request for a table, checked cell by cell against the contract's columns.

Training maps a category that it does not know to "unknown", for data is what it is; a caller is told instead, for a
caller can mend it. A value that is not known is null, and has to be said: a column that is left out is a fault.
"""

import math
from difflib import get_close_matches
from typing import Any

import numpy as np

from gristmill.ground.dates import days_since_1970
from gristmill.ground.errors import GristmillError

MAX_ROWS = 1000
"""In one request; more belong in several."""

LARGEST = 3.4e38
"""The model computes in float32, where a larger number would be infinite."""


class RequestError(GristmillError):
    """The request is not one that this model can answer; the sentence goes to the caller."""


def parse(request: Any, contract: dict[str, Any]) -> dict[str, np.ndarray]:
    """Turn decoded JSON into the payload columns of this kind.

    Args:
        request: `{"rows": [{column: value, ...}, ...]}`, every row with exactly the contract's columns; null is missing.
        contract: the model's contract.json.

    Returns:
        One array [N rows] for each column: float64 with NaN for missing (a date as days since 1970), or strings (object)
        with None for missing.

    Raises:
        RequestError: anything else, with the place of the first fault.
    """
    rows = _rows(request)
    columns = {column["name"]: column for column in contract["columns"]}
    for i, row in enumerate(rows):
        _check_columns(f"rows[{i}]", row, list(columns))
    parsed = {}
    for name, column in columns.items():
        if column["type"] != "categorical":
            read = _number if column["type"] == "numeric" else _date
            values: list[Any] = [read(f"rows[{i}].{name}", row[name]) for i, row in enumerate(rows)]
            parsed[name] = np.array(values, dtype=np.float64)
        else:
            allowed = column["categories"]
            values = [_category(f"rows[{i}].{name}", row[name], allowed) for i, row in enumerate(rows)]
            parsed[name] = np.array(values, dtype=object)
    return parsed


def _rows(request: Any) -> list[Any]:
    if not isinstance(request, dict) or "rows" not in request:
        raise RequestError('the request needs the field "rows": a list of objects, one for each row.')
    if unknown := [str(field) for field in request if field != "rows"]:
        raise RequestError(f"unknown field {unknown[0][:40]!r}; a request has the field 'rows' and no other.")
    rows = request["rows"]
    if not isinstance(rows, list):
        raise RequestError(f"rows is {_kind_of(rows)}; a list of objects is expected.")
    if not 1 <= len(rows) <= MAX_ROWS:
        raise RequestError(f"rows holds {len(rows)} rows; from 1 to {MAX_ROWS} are answered at once.")
    return rows


def _check_columns(place: str, row: Any, columns: list[str]) -> None:
    if not isinstance(row, dict):
        raise RequestError(f"{place} is {_kind_of(row)}; an object of columns is expected.")
    if unknown := [str(name) for name in row if name not in columns]:
        close = get_close_matches(unknown[0][:40], columns, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise RequestError(f"{place} has an unknown column {unknown[0][:40]!r}.{hint} /schema names every column.")
    if missing := [name for name in columns if name not in row]:
        raise RequestError(
            f"{place} lacks the column {missing[0]!r}{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}; "
            "a value that is not known is null."
        )


def _number(place: str, value: Any) -> float:
    if value is None:
        return math.nan
    if type(value) not in (int, float):  # a boolean is an int to Python, and no number here
        raise RequestError(f"{place} is {_kind_of(value)}; a number or null is expected.")
    try:
        number = float(value)
    except OverflowError as error:
        raise RequestError(f"{place} is beyond every floating-point number.") from error
    if not abs(number) <= LARGEST:  # NaN compares false
        raise RequestError(f"{place} is {number:g}; a number between -{LARGEST:g} and {LARGEST:g} is expected.")
    return number


def _date(place: str, value: Any) -> float:
    if value is None:
        return math.nan
    days = days_since_1970(value) if isinstance(value, str) else None
    if days is None:
        told = repr(value[:40]) if isinstance(value, str) else _kind_of(value)
        raise RequestError(
            f"{place} is {told}; a date as in '2026-01-31' or '2026-01-31T12:00:00Z', or null, is expected."
        )
    return days


def _category(place: str, value: Any, allowed: list[str]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise RequestError(f"{place} is {_kind_of(value)}; a string or null is expected.")
    if value not in allowed:
        named = ", ".join(repr(category) for category in allowed[:12])
        raise RequestError(
            f"{place} is {value[:40]!r}, a category that the model does not know; "
            f"allowed: {named}{', ...' if len(allowed) > 12 else ''}, or null."
        )
    return value


def _kind_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), "no JSON value")
