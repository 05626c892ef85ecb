"""Some consecutive rows of a part, asked for column by column, and what is wrong with each of them.

CSV, JSON lines and Parquet each know how their columns are read; what a table is made of knows none of them. Values are
not repeated in faults: they may be personal.
"""

from abc import ABC, abstractmethod

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.kinds.tabular.records.cells import as_numpy

_LINE_BREAK = r"[\n\r\x0b\x0c\x1c\x1d\x1e\x{85}\x{2028}\x{2029}]"


class Rows(ABC):
    """Rows as they stand in one part; a column that the part lacks is null throughout."""

    def __init__(self, part: str, first: int, n_rows: int) -> None:
        self.part, self.first, self.n_rows = part, first, n_rows
        self.faults: dict[int, dict[str, None]] = {}
        """By position, each once and in order."""
        self.broken: set[int] = set()
        """Positions of which no cell is believed."""

    @abstractmethod
    def has(self, column: str) -> bool:
        """Whether the part has the column."""

    @abstractmethod
    def text(self, column: str) -> pa.Array:
        """Strings; null where there is none or, which is a fault, no text."""

    @abstractmethod
    def number(self, column: str) -> pa.Array:
        """Doubles; null where there is none or, which is a fault, no finite number."""

    @abstractmethod
    def date(self, column: str) -> pa.Array:
        """Days since 1970 in UTC, as doubles; null where there is none or, which is a fault, no date."""

    def name(self, column: str | None, what: str) -> pa.Array:
        """Text that must be there, on one line: record_ids are kept in files of one a line."""
        if column is None or not self.has(column):
            return pa.nulls(self.n_rows, pa.string())
        names = self.text(column)
        broken = pc.fill_null(pc.match_substring_regex(names, _LINE_BREAK), False)
        for is_fault, fault in ((names.is_null(), "is empty or not UTF-8"), (broken, "holds a line break")):
            for position in np.flatnonzero(as_numpy(is_fault)).tolist():
                if position not in self.broken:
                    self.fault(position, f"'{column}' {fault}, and it {what}")
        return pc.if_else(broken, None, names)

    def fault(self, position: int, sentence: str) -> None:
        """Take note of what is wrong with a row."""
        faults = self.faults.setdefault(position, {})
        faults[f"{self.part}, row {self.first + position}: {sentence}"] = None

    def problems(self) -> pa.Array:
        """The faults of each row, a list of strings."""
        n_faults = np.zeros(self.n_rows + 1, np.int32)
        for position, faults in self.faults.items():
            n_faults[position + 1] = len(faults)
        sentences = [sentence for position in sorted(self.faults) for sentence in self.faults[position]]
        return pa.ListArray.from_arrays(pa.array(np.cumsum(n_faults, dtype=np.int32)), pa.array(sentences, pa.string()))


class LostRows(Rows):
    """Rows that are known to be there, and of which nothing can be read."""

    def __init__(self, part: str, first: int, n_rows: int) -> None:
        super().__init__(part, first, n_rows)
        self.broken = set(range(n_rows))

    def has(self, column: str) -> bool:
        return False

    def text(self, column: str) -> pa.Array:
        return pa.nulls(self.n_rows, pa.string())

    def number(self, column: str) -> pa.Array:
        return pa.nulls(self.n_rows, pa.float64())

    date = number
