"""Rows of a table as arrays; numpy alone, since it travels in the Bento."""

# N rows, F numbers, D dates, G categorical columns
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gristmill.ground.errors import GristmillError

if TYPE_CHECKING:
    import pyarrow as pa


DATE_NUMBERS = 5
"""What a date is to a model: its day, and where it stands in the turn of the year and of the week (two numbers each)."""
_YEAR_DAYS, _WEEK_DAYS = 365.2425, 7.0


class UnfitTargetError(GristmillError):
    """A row whose target the contract does not know."""

    def __init__(self, record_id: str, target: str | float | None, needed: str) -> None:
        super().__init__(record_id, target, needed)

    def __str__(self) -> str:
        record_id, target, needed = self.args
        fault = "has no target" if target is None else f"has the target '{target}'"
        return (
            f"the row {record_id} {fault}, and the contract needs {needed}. Let the suite in expectations/ refuse such "
            "rows, or drop this one; if it is right, add it to prepare.classes in params/."
        )


def columns(rows: "pa.Table", contract: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Numbers and dates (days since 1970) as float64 with NaN for missing, categorical columns as str or None (object).

    Raises:
        KeyError: the rows lack a column of the contract.
    """
    found: dict[str, NDArray[Any]] = {}
    for column in contract["columns"]:
        values = rows.column(column["name"]).to_pylist()
        # as float64, None is NaN
        found[column["name"]] = np.array(values, object if column["type"] == "categorical" else np.float64)
    return found


def encode(columns: dict[str, NDArray[Any]], contract: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The model's inputs.

    `numeric`: float32 [N, F + 5 D], NaN for missing, dates after numbers. `categorical`: int64 [N, G], 0 for missing or
    unknown, else 1, 2, ...
    """
    described = contract["columns"]
    n_rows = len(next(iter(columns.values())))
    numeric = [columns[column["name"]] for column in described if column["type"] == "numeric"]
    numeric += [part for column in described if column["type"] == "date" for part in _date(columns[column["name"]])]
    categorical = [
        _codes(columns[column["name"]], column["categories"]) for column in described if column["type"] == "categorical"
    ]
    return {
        "numeric": _side_by_side(numeric, n_rows, np.float32),
        "categorical": _side_by_side(categorical, n_rows, np.int64),
    }


def targets(rows: "pa.Table", contract: dict[str, Any]) -> NDArray[Any]:
    """Index of the class, int64 [N]; or the number, float32 [N].

    Raises:
        UnfitTargetError: a target is missing, or none of the contract's classes.
    """
    values = rows.column("target").to_pylist()
    regression = contract["task"] == "regression"
    index = {name: number for number, name in enumerate(contract.get("classes", []))}
    for position, value in enumerate(values):
        if value is None or not (regression or value in index):
            needed = "a number" if regression else f"one of {', '.join(index)}"
            raise UnfitTargetError(rows.column("record_id")[position].as_py(), value, needed)
    if regression:
        return np.array(values, np.float32)
    return np.array([index[value] for value in values], np.int64)


def _date(days: NDArray[Any]) -> list[NDArray[Any]]:
    turns = [2 * np.pi * days / period for period in (_YEAR_DAYS, _WEEK_DAYS)]
    return [days, *(wave(turn) for turn in turns for wave in (np.sin, np.cos))]


def _codes(values: NDArray[Any], categories: list[str]) -> NDArray[np.int64]:
    code = {category: number for number, category in enumerate(categories, 1)}
    return np.array([code.get(value, 0) for value in values], np.int64)


def _side_by_side(columns: list[NDArray[Any]], n_rows: int, kind: type) -> NDArray[Any]:
    return np.stack(columns, axis=1).astype(kind) if columns else np.empty((n_rows, 0), kind)
