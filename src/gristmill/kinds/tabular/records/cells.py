"""Text as numbers and dates, a column at a time: Arrow reads what is plain, and Python the few cells that are not.

What a cell means is said once, by `finite_number` and `days_since_1970`; Arrow only comes before them where both say the
same.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gristmill.ground.dates import days_since_1970
from gristmill.kinds.tabular.records.dialect import Dialect

MISSING = {"", "NA", "NaN", "nan", "null", "NULL"}
"""What stands for a number or a date that is not known; a category is missing only where the cell is empty."""
LARGEST = 3.4028234663852886e38
"""The model computes in float32, where a larger number would be infinite."""
MOST_EXACT = 2.0**53
"""Up to here a whole number is the same as a double."""
_PLAIN = {".": r"^[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?$", ",": r"^[-+]?[0-9]+(,[0-9]+)?$"}
"""By decimal mark: what Arrow reads as Python does."""

Fault = Callable[[int], None]
"""Takes note of the position of a cell that is not what its column is declared to be."""


def finite_number(cell: str) -> float | None:
    """A finite number as float32 can hold it; Python's 1_000 is none, and -0 is 0, so that equal rows hash alike."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value + 0.0 if abs(value) <= LARGEST and "_" not in cell else None


def text_column(cells: Sequence[str | None], fault: Fault) -> pa.Array:
    """Strings, null where a cell is empty or, which is a fault, holds lone surrogates: bytes that are no UTF-8."""
    try:
        return without_empty(pa.array(cells, pa.string()))
    except UnicodeEncodeError:
        valid = [cell is None or _is_utf8(cell) for cell in cells]
        for position, is_valid in enumerate(valid):
            if not is_valid:
                fault(position)
        return without_empty(
            pa.array([cell if ok else None for cell, ok in zip(cells, valid, strict=True)], pa.string())
        )


def without_empty(texts: pa.Array) -> pa.Array:
    """Strings, null for empty ones."""
    empty = pc.equal(texts, "")
    return pc.if_else(empty, None, texts) if pc.any(empty).as_py() else texts


def text_as_numbers(cells: pa.Array, dialect: Dialect, fault: Fault) -> pa.Array:
    """Doubles from strings, null where a cell is missing or, which is a fault, no number."""
    values = as_numpy(_plain_numbers(cells, dialect))
    doubtful = np.flatnonzero(~(np.abs(values) <= LARGEST) & as_numpy(cells.is_valid()))
    if len(doubtful):
        values[doubtful] = _by_cell(cells, doubtful, lambda cell: finite_number(dialect.number(cell)), fault)
    return number_column(values)


def text_as_dates(cells: pa.Array, date_format: str | None, fault: Fault) -> pa.Array:
    """Days since 1970 in UTC from strings, null where a cell is missing or, which is a fault, no date."""
    values = np.full(len(cells), np.nan)
    given = np.flatnonzero(as_numpy(cells.is_valid()))
    values[given] = _by_cell(cells, given, lambda cell: _days(cell, date_format), fault)
    return number_column(values)


def number_column(values: NDArray[np.float64]) -> pa.Array:
    """Doubles, null for NaN, and 0 for -0."""
    return pa.array(values + 0.0, pa.float64(), mask=np.isnan(values))


def as_numpy(values: pa.Array) -> NDArray[Any]:
    """A copy that may be written to; NaN for null."""
    return np.array(values.to_numpy(zero_copy_only=False))


_days = lru_cache(maxsize=65_536)(days_since_1970)  # days repeat


def _plain_numbers(cells: pa.Array, dialect: Dialect) -> pa.Array:
    """What is a number beyond doubt; null or not finite where Python has to look."""
    if dialect.decimal == ".":
        try:
            return pc.cast(cells, pa.float64())
        except pa.ArrowInvalid:
            pass
    plain = pc.if_else(pc.match_substring_regex(cells, _PLAIN[dialect.decimal]), cells, None)
    return pc.cast(pc.replace_substring(plain, dialect.decimal, "."), pa.float64())


def _by_cell(
    cells: pa.Array, positions: NDArray[np.int64], read: Callable[[str], float | None], fault: Fault
) -> NDArray[np.float64]:
    """Read some cells one by one, each of the same text once."""
    encoded = cells.take(pa.array(positions)).dictionary_encode()
    distinct: list[str] = encoded.dictionary.to_pylist()
    is_given = np.array([cell.strip() not in MISSING for cell in distinct], bool)
    numbers = np.array(
        [read(cell) if given else None for cell, given in zip(distinct, is_given, strict=True)], np.float64
    )
    codes = as_numpy(encoded.indices)
    values: NDArray[np.float64] = numbers[codes]
    for position in positions[is_given[codes] & np.isnan(values)].tolist():
        fault(position)
    return values


def _is_utf8(cell: str) -> bool:
    return cell.isascii() or not any("\ud800" <= character <= "\udfff" for character in cell)
