"""A CSV (RFC 4180) as rows, whatever state it is in."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from gristmill.kinds.tabular.records.cells import text_as_dates, text_as_numbers, text_column
from gristmill.kinds.tabular.records.columns import column_problems
from gristmill.kinds.tabular.records.dialect import Dialect
from gristmill.kinds.tabular.records.rows import LostRows, Rows
from gristmill.kinds.tabular.records.settings import IngestSettings
from gristmill.kinds.tabular.records.text import MOST_CHARACTERS, OverlongRowError


def csv_rows(path: Path, part: str, settings: IngestSettings, problems: list[str], notes: list[str]) -> Iterator[Rows]:
    """The rows of a file in order; what is wrong with the whole of it goes to `problems`."""
    dialect = settings.dialect(path)
    header: list[str] | None = None
    first = 1
    try:
        for lines in dialect.chunks(path):
            if header is None:
                header = lines.pop(0)
                problems.extend(f"{part} {problem}" for problem in _header_problems(header, settings))
                if dialect.sentence:
                    notes.append(f"{part}: {dialect.sentence}")
            yield CsvRows(part, first, header, lines, dialect, settings)
            first += len(lines)
    except OverlongRowError:
        place = "its header" if header is None else f"row {first}"
        problems.append(
            f"{part}: {place} does not end within {MOST_CHARACTERS:,} characters (a quote that is never closed?), and "
            "nothing behind it is read"
        )
        if header is not None:
            yield LostRows(part, first, 1)
    else:
        if header is None:
            problems.append(f"{part} is empty")


class CsvRows(Rows):
    """Rows of cells."""

    def __init__(
        self,
        part: str,
        first: int,
        header: list[str],
        lines: list[list[str]],
        dialect: Dialect,
        settings: IngestSettings,
    ) -> None:
        super().__init__(part, first, len(lines))
        self._dialect, self._date_format = dialect, settings.date_format
        self._index = {column: index for index, column in enumerate(header)}
        nothing: list[str | None] = [None] * len(header)
        self._cells: list[Sequence[str | None]] = [*lines]
        for position, cells in enumerate(lines):
            if len(cells) != len(header):  # which cell is missing is not known, so none is believed
                self._cells[position] = nothing
                self.broken.add(position)
                self.fault(position, f"{len(cells)} cells where the header has {len(header)}")

    def has(self, column: str) -> bool:
        return column in self._index

    def text(self, column: str) -> pa.Array:
        if column not in self._index:
            return pa.nulls(self.n_rows, pa.string())
        index = self._index[column]
        return text_column(
            [cells[index] for cells in self._cells], lambda position: self.fault(position, f"'{column}' is not UTF-8")
        )

    def number(self, column: str) -> pa.Array:
        return text_as_numbers(
            self.text(column), self._dialect, lambda position: self.fault(position, f"'{column}' is not a number")
        )

    def date(self, column: str) -> pa.Array:
        return text_as_dates(
            self.text(column), self._date_format, lambda position: self.fault(position, f"'{column}' is not a date")
        )


def _header_problems(header: list[str], settings: IngestSettings) -> list[str]:
    return column_problems(
        header, settings, "has no header, or another table's: its first line holds none of the columns"
    )
