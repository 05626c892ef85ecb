"""JSON lines (https://jsonlines.org) as rows: one object a line, whatever state they are in.

orjson reads a line if it is sound; Python's own parser sees the others, for it can say what is wrong with them. A key that
a line lacks is a value that is not known, as null is.
"""

import codecs
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from gristmill.kinds.tabular.records.cells import LARGEST, MOST_EXACT, number_column, text_as_dates, text_column
from gristmill.kinds.tabular.records.columns import column_problems
from gristmill.kinds.tabular.records.rows import LostRows, Rows
from gristmill.kinds.tabular.records.settings import IngestSettings
from gristmill.kinds.tabular.records.text import MOST_CHARACTERS, OverlongRowError, byte_blocks

_MOST_COLUMNS = 100_000
"""Names that are remembered of one part; a line may bring any number of new ones."""
_KEY_END = re.compile(rb'"\s*:')
_MOST_DIGITS = 19
"""Of a whole number that is read exactly, as orjson does; Python refuses to read thousands of digits."""
_NO_JSON = object()
_NO_NUMBER = math.inf
_TWICE = object()
"""Stands for the value of a key that an object has more than once: which one is meant is not known."""
_NUMBERS: set[type] = {int, float, type(None)}
_TEXTS: set[type] = {str, type(None)}


def json_rows(path: Path, part: str, settings: IngestSettings, problems: list[str]) -> Iterator[Rows]:
    """The rows of a file in order, empty lines aside; what is wrong with the whole of it goes to `problems`."""
    names: dict[str, None] = {}
    first = 1
    try:
        for lines in _chunks(path):
            if first == 1 and lines[0].lstrip().startswith(b"["):
                problems.append(
                    f"{part} is a JSON array; of JSON, one object a line is read (`jq -c '.[]'` makes it so)"
                )
            rows = JsonRows(part, first, lines, settings)
            if len(names) < _MOST_COLUMNS:
                for row in rows.objects:
                    if not row.keys() <= names.keys():
                        names |= dict.fromkeys(row)
            yield rows
            first += len(lines)
    except OverlongRowError:
        problems.append(
            f"{part}: row {first} does not end within {MOST_CHARACTERS:,} bytes, and nothing behind it is read"
        )
        yield LostRows(part, first, 1)
        first += 1
    if first == 1:
        problems.append(f"{part} is empty")
        return
    found = column_problems(list(names), settings, "holds another table: in no row is there any of the columns")
    problems.extend(f"{part} {problem}" for problem in found)


class JsonRows(Rows):
    """Rows of objects."""

    def __init__(self, part: str, first: int, lines: list[bytes], settings: IngestSettings) -> None:
        super().__init__(part, first, len(lines))
        self._date_format = settings.date_format
        parsed = [_parse(line) for line in lines]
        self.objects: list[dict[str, Any]] = [one if isinstance(one, dict) else {} for one in parsed]
        """Empty where a line is none."""
        for position, one in enumerate(parsed):
            if not isinstance(one, dict):
                self.broken.add(position)
                self.fault(position, "is no JSON" if one is _NO_JSON else "is no JSON object")
        if self.broken or _n_keys(b"".join(lines)) != sum(map(len, self.objects)):
            for position, line in enumerate(lines):
                if position not in self.broken and _n_keys(line) != len(self.objects[position]):
                    self.objects[position] = _parse_slowly(line)

    def has(self, column: str) -> bool:
        return True

    def text(self, column: str) -> pa.Array:
        values = self._values(column)
        if not set(map(type, values)) <= _TEXTS:
            values = [self._as_text(column, position, value) for position, value in enumerate(values)]
        return text_column(values, lambda position: self.fault(position, f"'{column}' is not UTF-8"))

    def number(self, column: str) -> pa.Array:
        values = self._values(column)
        if not set(map(type, values)) <= _NUMBERS:
            values = [value if type(value) in _NUMBERS else _NO_NUMBER for value in values]
        numbers = np.array(values, np.float64)  # null is NaN, and no JSON number is
        for position in np.flatnonzero(~(np.abs(numbers) <= LARGEST)).tolist():
            if values[position] is not None:
                self._misfit(column, position, "is not a number")
                numbers[position] = np.nan
        return number_column(numbers)

    def date(self, column: str) -> pa.Array:
        values = self._values(column)
        for position, value in enumerate(values):
            if type(value) not in _TEXTS:
                self._misfit(column, position, "is not a date")
        cells = text_column(
            [value if isinstance(value, str) else None for value in values],
            lambda position: self.fault(position, f"'{column}' is not UTF-8"),
        )
        return text_as_dates(
            cells, self._date_format, lambda position: self.fault(position, f"'{column}' is not a date")
        )

    def _values(self, column: str) -> list[Any]:
        return [one.get(column) for one in self.objects]

    def _as_text(self, column: str, position: int, value: Any) -> str | None:
        """Whole numbers and booleans name classes in many tables; other numbers could be written in more than one way."""
        match value:
            case None | str():
                return value
            case bool():
                return str(value).lower()
            case int():
                return str(value)
            case float() if value.is_integer() and abs(value) <= MOST_EXACT:
                return str(int(value))
        self._misfit(column, position, "is not text")
        return None

    def _misfit(self, column: str, position: int, words: str) -> None:
        value = self.objects[position][column]
        if value is _TWICE:
            words = "is there twice"
        elif isinstance(value, dict | list):
            words = "is nested, and one value is expected"
        self.fault(position, f"'{column}' {words}")


def _chunks(path: Path) -> Iterator[list[bytes]]:
    """Lines that are not empty, some at a time.

    Raises:
        OverlongRowError: a line does not end; those before it have been given.
    """
    rest = b""
    is_first = True
    for block in byte_blocks(path):
        content = rest + (block.removeprefix(codecs.BOM_UTF8) if is_first else block)
        is_first = False
        end = content.rfind(b"\n") + 1
        rest = content[end:]
        lines = []
        for line in io.BytesIO(content[:end]):
            if len(line) > MOST_CHARACTERS:
                break
            if not line.isspace():
                lines.append(line)
        else:
            line = rest
        if lines:
            yield lines
        if len(line) > MOST_CHARACTERS:
            raise OverlongRowError
    if rest and not rest.isspace():
        yield [rest]


def _parse(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _parse_slowly(line)


def _parse_slowly(line: bytes) -> Any:
    """What Python makes of a line: bytes that are no UTF-8 as lone surrogates, NaN, keys that are there twice."""
    try:
        return json.loads(line.decode("utf-8", "surrogateescape"), object_pairs_hook=_object, parse_int=_whole_number)
    except (ValueError, RecursionError):
        return _NO_JSON


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = _TWICE if key in found else value
    return found


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)


def _n_keys(content: bytes) -> int:
    """Keys in sound JSON, those of nested objects and a few more within strings included, but never less."""
    if any(mark in content for mark in (b" :", b"\t:", b"\r:", b"\n:")):
        return len(_KEY_END.findall(content))
    return content.count(b'":')
