"""CSV (RFC 4180) as a table, whatever state it is in.

A cell that is not what its column is declared to be is null, and its row says so; a part that lacks a column or has a
strange one says so for the whole batch. Values are not repeated in problems: they may be personal.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
from pydantic import Field, model_validator

from gristmill.data.batches import BatchTable
from gristmill.ground.dates import days_since_1970
from gristmill.ground.settings import Settings
from gristmill.kinds.tabular.records.dialect import Decimal, Dialect, find_dialect

MISSING = {"", "NA", "NaN", "nan", "null", "NULL"}
"""What stands for a number or a date that is not known; a category is missing only where the cell is empty."""
_LARGEST = 3.4028234663852886e38
"""The model computes in float32, where a larger number would be infinite."""
_OWN_COLUMNS = {"record_id", "split_key", "target", "group", "problems"}
_ID_DIGITS = 32
_NAME_CHARACTERS = 60
_MOST_NAMES = 5
"""Columns that a sentence names; of a table that is another one altogether, thousands would be strange."""


class IngestSettings(Settings):
    """Which columns a CSV has and what they hold."""

    columns: dict[str, Literal["numeric", "categorical", "date"]] = Field(min_length=1)
    """Features, by name. A date is read as days since 1970 in UTC."""
    ignore: tuple[str, ...] = ()
    """Columns that a file may have and that are not read; any other that is not declared is a fault of the file."""
    target: str
    """The column to be predicted."""
    target_type: Literal["category", "number"] = "category"
    """A category for classification, a number for regression."""
    id: str | None = None
    """The column that names a record; without it, equal rows are different events."""
    group: str | None = None
    """The column of the customer, patient or device that several rows belong to; a group is never split."""
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, pattern=r'[^"\r\n]')
    """Between cells; null: found from each file's header."""
    encoding: Literal["utf-8", "cp1252", "latin-1", "utf-16"] | None = None
    """Of the text; null: UTF-8, and whatever else a file's bytes leave no doubt about."""
    decimal: Decimal | None = None
    """The decimal mark; null: a point, or a comma where a file's cells can mean nothing else."""
    date_format: str | None = None
    """How dates are written, in strptime's directives, such as `%d.%m.%Y`; null: ISO 8601."""

    @model_validator(mode="after")
    def _names_are_free(self) -> "IngestSettings":
        if taken := sorted(_OWN_COLUMNS & self.columns.keys()):
            raise ValueError(f"no feature may be called {', '.join(taken)}: a batch table has such columns of its own")
        if self.target in self.columns:
            raise ValueError(f"'{self.target}' is the target, so it cannot be a feature too")
        if both := [name for name in self.ignore if name in self.expected]:
            raise ValueError(f"'{both[0]}' is to be read and to be ignored")
        return self

    @property
    def expected(self) -> dict[str, None]:
        """Every column that a file must have, in order."""
        return dict.fromkeys([*self.columns, self.target, *filter(None, (self.id, self.group))])

    def dialect(self, content: bytes) -> Dialect:
        """How a file is written."""
        return find_dialect(content, self.expected, self.encoding, self.delimiter, self.decimal)


class _Row(NamedTuple):
    features: dict[str, float | str | None]
    target: float | str | None
    id: str | None
    group: str | None
    problems: list[str]


def read(parts: list[Path], settings: IngestSettings, batch: str) -> BatchTable:
    """Read one batch; several parts follow each other.

    Args:
        parts: the landed files, each with a header.
        settings: which columns are expected.
        batch: its id; it makes the record_id of rows without a declared one.
    """
    problems: list[str] = []
    notes: list[str] = []
    rows = [row for path in parts for row in _read_part(path, settings, problems, notes)]
    return BatchTable(_table(rows, settings, batch), problems, notes)


def _read_part(path: Path, settings: IngestSettings, problems: list[str], notes: list[str]) -> list[_Row]:
    content = path.read_bytes()
    dialect = settings.dialect(content)
    lines = dialect.rows(content)
    header = next(lines, None)
    if header is None:
        problems.append(f"{path.name} is empty")
        return []
    if dialect.sentence:
        notes.append(f"{path.name}: {dialect.sentence}")
    problems.extend(f"{path.name} {problem}" for problem in _header_problems(header, settings))
    return [
        _read_row(_Cells(f"{path.name}, row {n}", header, cells, dialect, settings), settings)
        for n, cells in enumerate(lines, 1)
    ]


def _header_problems(header: list[str], settings: IngestSettings) -> list[str]:
    found, expected = Counter(header), settings.expected
    if len(expected) > 1 and not expected.keys() & found.keys():
        names = ", ".join(f"'{name}'" for name in list(expected)[:_MOST_NAMES])
        return [
            f"has no header, or another table's: its first line holds none of the columns that params declares ({names})"
        ]
    known = expected.keys() | set(settings.ignore)
    return [
        *(f"has {n} columns called '{_printable(name)}'" for name, n in found.items() if n > 1),
        *_named(
            [_printable(name) for name in found if name not in known], "has a column {} that params does not declare"
        ),
        *_named([name for name in expected if name not in found], "lacks the column {}"),
    ]


def _named(names: list[str], sentence: str) -> list[str]:
    sentences = [sentence.format(f"'{name}'") for name in names[:_MOST_NAMES]]
    return [*sentences, f"... and {len(names) - _MOST_NAMES:,} more like it"] if len(names) > _MOST_NAMES else sentences


def _read_row(row: "_Cells", settings: IngestSettings) -> _Row:
    readers = {"numeric": row.number, "categorical": row.text, "date": row.date}
    return _Row(
        features={name: readers[kind](name) for name, kind in settings.columns.items()},
        target=row.number(settings.target) if settings.target_type == "number" else row.text(settings.target),
        id=row.name(settings.id, "names the record"),
        group=row.name(settings.group, "says which rows belong together"),
        problems=list(row.problems),
    )


class _Cells:
    """The cells of one row by column, and what was wrong with those that were asked for."""

    def __init__(
        self, place: str, header: list[str], cells: list[str], dialect: Dialect, settings: IngestSettings
    ) -> None:
        self._place, self._dialect, self._date_format = place, dialect, settings.date_format
        self.problems: dict[str, None] = {}  # each once, in order
        self._cells: dict[str, str] = {}
        if len(cells) == len(header):
            self._cells = dict(zip(header, cells, strict=True))
        else:
            self._problem(f"{len(cells)} cells where the header has {len(header)}")

    def text(self, column: str) -> str | None:
        cell = self._cells.get(column, "")
        if not _is_utf8(cell):
            self._problem(f"'{column}' is not UTF-8")
            return None
        return cell or None

    def number(self, column: str) -> float | None:
        cell = self.text(column)
        if cell is None or cell.strip() in MISSING:
            return None
        value = finite_number(self._dialect.number(cell))
        if value is None:
            self._problem(f"'{column}' is not a number")
        return value

    def date(self, column: str) -> float | None:
        cell = self.text(column)
        if cell is None or cell.strip() in MISSING:
            return None
        days = days_since_1970(cell, self._date_format)
        if days is None:
            self._problem(f"'{column}' is not a date")
        return days

    def name(self, column: str | None, what: str) -> str | None:
        """A cell that must be there, on one line: record_ids are kept in files of one a line."""
        if column is None or column not in self._cells:
            return None
        cell = self.text(column)
        if cell is None or cell.splitlines() != [cell]:
            fault = "is empty or not UTF-8" if cell is None else "holds a line break"
            self._problem(f"'{column}' {fault}, and it {what}")
            return None
        return cell

    def _problem(self, sentence: str) -> None:
        self.problems[f"{self._place}: {sentence}"] = None


def _is_utf8(cell: str) -> bool:
    return cell.isascii() or not any("\ud800" <= character <= "\udfff" for character in cell)


def finite_number(cell: str) -> float | None:
    """A finite number as float32 can hold it; Python's 1_000 is none, and -0 is 0, so that equal rows hash alike."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value + 0.0 if abs(value) <= _LARGEST and "_" not in cell else None


def _table(rows: list[_Row], settings: IngestSettings, batch: str) -> pa.Table:
    # Sorted by name: in whatever order params declares its columns, a record stays on its side.
    payloads = [json.dumps(row.features, sort_keys=True) for row in rows]
    seen: Counter[str] = Counter()
    ids, keys = [], []
    for row, payload in zip(rows, payloads, strict=True):
        seen[payload] += 1
        ids.append(row.id if row.id is not None else _hash(f"{payload}\n{batch}\n{seen[payload]}"))
        keys.append(_hash(row.group if row.group is not None else payload))
    is_number = settings.target_type == "number"
    columns = {
        "record_id": pa.array(ids, pa.string()),
        "split_key": pa.array(keys, pa.string()),
        "target": pa.array([row.target for row in rows], pa.float64() if is_number else pa.string()),
        "group": pa.array([row.group for row in rows], pa.string()),
    }
    for name, kind in settings.columns.items():
        values = [row.features[name] for row in rows]
        columns[name] = pa.array(values, pa.string() if kind == "categorical" else pa.float64())
    columns["problems"] = pa.array([row.problems for row in rows], pa.list_(pa.string()))
    return pa.table(columns)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name)[:_NAME_CHARACTERS]
