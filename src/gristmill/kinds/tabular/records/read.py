"""CSV (RFC 4180) as a table, whatever state it is in.

A cell that is not what its column is declared to be is null, and its row says so; a part that lacks a column or has a
strange one says so for the whole batch. Values are not repeated in problems: they may be personal.
"""

import csv
import hashlib
import io
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
from pydantic import Field, model_validator

from gristmill.data.batches import BatchTable
from gristmill.ground.settings import Settings

_MISSING = {"", "NA", "NaN", "nan", "null", "NULL"}
"""What stands for a number that is not known; a category is missing only where the cell is empty."""
_LARGEST = 3.4028234663852886e38
"""The model computes in float32, where a larger number would be infinite."""
_OWN_COLUMNS = {"record_id", "split_key", "target", "group", "problems"}
_ID_DIGITS = 32
_NAME_CHARACTERS = 60


class IngestSettings(Settings):
    """Which columns a CSV has and what they hold."""

    columns: dict[str, Literal["numeric", "categorical"]] = Field(min_length=1)
    """Features, by name."""
    target: str
    """The column to be predicted."""
    target_type: Literal["category", "number"] = "category"
    """A category for classification, a number for regression."""
    id: str | None = None
    """The column that names a record; without it, equal rows are different events."""
    group: str | None = None
    """The column of the customer, patient or device that several rows belong to; a group is never split."""
    delimiter: str = Field(default=",", min_length=1, max_length=1, pattern=r'[^"\r\n]')
    """Between cells."""

    @model_validator(mode="after")
    def _names_are_free(self) -> "IngestSettings":
        if taken := sorted(_OWN_COLUMNS & self.columns.keys()):
            raise ValueError(f"no feature may be called {', '.join(taken)}: a batch table has such columns of its own")
        if self.target in self.columns:
            raise ValueError(f"'{self.target}' is the target, so it cannot be a feature too")
        return self


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
    rows = [row for path in parts for row in _read_part(path, settings, problems)]
    return BatchTable(_table(rows, settings, batch), problems)


def _read_part(path: Path, settings: IngestSettings, problems: list[str]) -> list[_Row]:
    csv.field_size_limit(sys.maxsize)
    # What is not UTF-8 is carried through as lone surrogates, so that its own cell, and no more, is unreadable.
    text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    lines = [cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=settings.delimiter) if cells]
    if not lines:
        problems.append(f"{path.name} is empty")
        return []
    header = lines[0]
    expected = [*settings.columns, settings.target, *filter(None, (settings.id, settings.group))]
    for name, n in Counter(header).items():
        if n > 1:
            problems.append(f"{path.name} has {n} columns called '{_printable(name)}'")
        if name not in expected:
            problems.append(f"{path.name} has a column '{_printable(name)}' that params does not declare")
    problems.extend(f"{path.name} lacks the column '{name}'" for name in dict.fromkeys(expected) if name not in header)
    return [_read_row(f"{path.name}, row {n}", header, cells, settings) for n, cells in enumerate(lines[1:], 1)]


def _read_row(place: str, header: list[str], cells: list[str], settings: IngestSettings) -> _Row:
    row = _Cells(place, header, cells)
    return _Row(
        features={n: row.number(n) if kind == "numeric" else row.text(n) for n, kind in settings.columns.items()},
        target=row.number(settings.target) if settings.target_type == "number" else row.text(settings.target),
        id=row.name(settings.id, "names the record"),
        group=row.name(settings.group, "says which rows belong together"),
        problems=list(row.problems),
    )


class _Cells:
    """The cells of one row by column, and what was wrong with those that were asked for."""

    def __init__(self, place: str, header: list[str], cells: list[str]) -> None:
        self._place = place
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
        if cell is None or cell.strip() in _MISSING:
            return None
        value = _number(cell)
        if value is None:
            self._problem(f"'{column}' is not a number")
        return value

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


def _number(cell: str) -> float | None:
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
        columns[name] = pa.array(values, pa.float64() if kind == "numeric" else pa.string())
    columns["problems"] = pa.array([row.problems for row in rows], pa.list_(pa.string()))
    return pa.table(columns)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name)[:_NAME_CHARACTERS]
