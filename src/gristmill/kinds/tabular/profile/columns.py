"""What the columns of a file seem to hold; every guess can be overruled by whoever knows better.

numeric      numbers; a few cells that are none are named, and their rows will be quarantined
categorical  at most 50 different words
date         ISO dates, or one other way of writing them that no cell contradicts
text         sentences, or more words than a category has: a table model cannot use it
constant     one value at most
id           names its row: nothing can be learnt from it that holds for another row
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from gristmill.ground.dates import days_since_1970
from gristmill.kinds.tabular.records.cells import MISSING, finite_number
from gristmill.kinds.tabular.records.dialect import Dialect

ColumnType = Literal["numeric", "categorical", "date", "text", "constant", "id"]
TYPES: tuple[ColumnType, ...] = ("numeric", "categorical", "date", "text", "constant", "id")
USED: tuple[ColumnType, ...] = ("numeric", "categorical", "date")
"""Types that a table model learns from."""

MOST_CATEGORIES = 50
DATE_FORMATS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y")
_MOSTLY = 0.95
"""Share of the cells that must be a number or a date for the column to be one."""
_WORDS_OF_TEXT = 3.5
"""Words in a cell, on average, from which on it is text."""


@dataclass
class Column:
    """One column of the file that was looked at."""

    name: str
    cells: list[str | None]
    """None where it is missing."""
    type: ColumnType = "text"
    date_format: str | None = None
    n_unreadable: int = 0
    """Cells that are not of the type."""
    is_declared: bool = False
    """Whether a person said the type."""
    left_out: str | None = None
    """Why no model learns from it."""
    values: list[float | str | None] = field(default_factory=list)
    """The cells as the type reads them."""

    @property
    def n_missing(self) -> int:
        """Cells that are empty."""
        return self.cells.count(None)

    @property
    def counts(self) -> Counter[str]:
        """How often each value stands there."""
        return Counter(cell for cell in self.cells if cell is not None)

    @property
    def numbers(self) -> list[float]:
        """Numbers, or days since 1970, of those cells that can be read."""
        return [value for value in self.values if isinstance(value, float)]


def make_column(name: str, cells: list[str], dialect: Dialect, declared: ColumnType | None = None) -> Column:
    """Look at one column, and guess its type unless it is declared."""
    column = Column(name, [None if cell.strip() in MISSING else cell.strip() for cell in cells])
    column.is_declared = declared is not None
    column.type = declared or _guess(column, dialect)
    if column.type == "numeric":
        column.values = [None if cell is None else finite_number(dialect.number(cell)) for cell in column.cells]
    elif column.type == "date":
        column.date_format = _date_format(column)
        column.values = [None if cell is None else days_since_1970(cell, column.date_format) for cell in column.cells]
    else:  # as `ingest` reads it: only an empty cell is missing, and "NA" may be a word
        column.cells = [cell or None for cell in cells]
        column.values = list(column.cells)
    column.n_unreadable = sum(
        value is None and cell is not None for value, cell in zip(column.values, column.cells, strict=True)
    )
    return column


def could_be_day_or_month(column: Column) -> bool:
    """Whether dates with slashes could be meant either way: then nobody may guess."""
    either = ("%d/%m/%Y", "%m/%d/%Y")
    return column.date_format in either and all(_share(column, date_format) == 1 for date_format in either)


def _guess(column: Column, dialect: Dialect) -> ColumnType:
    counts = column.counts
    n_values, n_cells = len(counts), sum(counts.values())
    if n_values <= 1:
        return "constant"
    numbers = [finite_number(dialect.number(cell)) for cell in counts]
    n_numbers = sum(counts[cell] for cell, number in zip(counts, numbers, strict=True) if number is not None)
    if n_numbers >= _MOSTLY * n_cells:
        return (
            "id" if _counts_rows(column, [number for number in numbers if number is not None], n_cells) else "numeric"
        )
    if _share(column, _date_format(column)) >= _MOSTLY:
        return "date"
    n_words = sum(len(cell.split()) * n for cell, n in counts.items()) / n_cells
    if n_values >= 0.99 * n_cells and n_words < 1.5 and n_cells > MOST_CATEGORIES:
        return "id"
    return "text" if n_words > _WORDS_OF_TEXT or n_values > MOST_CATEGORIES else "categorical"


def _counts_rows(column: Column, numbers: list[float], n_cells: int) -> bool:
    """Whole numbers that never repeat, and are called an id or go up by one."""
    if len(numbers) < n_cells or n_cells <= 2 or any(number != math.floor(number) for number in numbers):
        return False
    name = column.name.lower().replace("-", "_")
    is_called_id = name in ("id", "key", "index", "nr", "no", "number") or name.endswith(
        ("_id", "_key", "_no", "_nr", "id")
    )
    return is_called_id or (max(numbers) - min(numbers) == len(numbers) - 1 and numbers == sorted(numbers))


def _date_format(column: Column) -> str | None:
    """ISO (None) unless another way fits more cells."""
    return max((None, *DATE_FORMATS), key=lambda date_format: _share(column, date_format))


def _share(column: Column, date_format: str | None) -> float:
    counts = column.counts
    fits = sum(n for cell, n in counts.items() if days_since_1970(cell, date_format) is not None)
    return fits / max(1, sum(counts.values()))
