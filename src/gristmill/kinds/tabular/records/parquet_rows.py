"""Parquet as rows, whatever state it is in.

What the file says of itself is a promise. The footer tells how many rows there are, and each of them gets a row; those
that turn out not to be readable are empty. A few bytes can promise more than a memory holds (repetition is stored once), so
what a file may unfold to is bounded by its size.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from gristmill.kinds.tabular.records.cells import (
    LARGEST,
    MOST_EXACT,
    as_numpy,
    number_column,
    text_as_dates,
    without_empty,
)
from gristmill.kinds.tabular.records.columns import column_problems
from gristmill.kinds.tabular.records.rows import LostRows, Rows
from gristmill.kinds.tabular.records.settings import ColumnKind, IngestSettings

_CHUNK_ROWS = 16_384
_BUFFER_BYTES = 1_048_576
_PLAUSIBLE_ROWS = 1_000_000
_ROWS_PER_BYTE = 2
"""A file may promise so many rows for each byte, and _PLAUSIBLE_ROWS in any case."""
_PLAUSIBLE_TEXT_BYTES = 268_435_456
_TEXT_PER_BYTE = 100
"""The same of its text: 20 letters that take 3 bits in the file are 53 times their size."""

_DAY_S = 86_400.0
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_UNREADABLE = (OSError, ValueError, pa.ArrowException)  # Arrow's errors of memory and of features are among the last


class BrokenPartError(Exception):
    """A file of which nothing can be read, in words that follow its name; for this package alone."""


def promised_rows(path: Path) -> list[int]:
    """Rows of each row group, as the footer has it.

    Raises:
        BrokenPartError: it is no footer, or not to be believed.
    """
    try:
        footer = pq.read_metadata(path)
        rows = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    except _UNREADABLE as error:
        raise BrokenPartError("is no Parquet file, or not the whole of one: its footer cannot be read") from error
    if min(rows, default=0) < 0 or sum(rows) != footer.num_rows:
        raise BrokenPartError("is damaged: its footer counts its rows in two ways")
    size = path.stat().st_size
    if sum(rows) > _PLAUSIBLE_ROWS + _ROWS_PER_BYTE * size:
        raise BrokenPartError(
            f"promises {sum(rows):,} rows in {size:,} bytes, which is not believed; save it as several files, or as CSV"
        )
    return rows


def parquet_rows(path: Path, part: str, settings: IngestSettings, problems: list[str]) -> Iterator[Rows]:
    """The rows of a file in order; what is wrong with the whole of it goes to `problems`."""
    try:
        promised = promised_rows(path)
    except BrokenPartError as error:
        problems.append(f"{part} {error}")
        return
    columns, found = _columns(path, settings)
    problems.extend(f"{part} {problem}" for problem in found)
    budget = _TextBudget(path)
    first, lost = 1, range(0)
    with _open(path, columns) as file:
        for group, n_rows in enumerate(promised):
            end = first + n_rows
            for batch in _batches(file, group, list(columns)):
                yield ParquetRows(part, first, batch, settings, budget)
                first += len(batch)
            if first < end:
                lost = range(lost.start or first, end)
            while first < end:
                yield (empty := LostRows(part, first, min(_CHUNK_ROWS, end - first)))
                first += empty.n_rows
    if columns and lost:
        problems.append(f"{part} is damaged: between row {lost.start:,} and row {lost.stop - 1:,} it cannot be read")
    if budget.is_spent:
        problems.append(f"{part} unfolds to more than {_TEXT_PER_BYTE} times its size; its text is not read to the end")


def _columns(path: Path, settings: IngestSettings) -> tuple[dict[str, pa.DataType], list[str]]:
    """The columns that can be read, with their types, and what is wrong with the others."""
    try:
        schema = pq.read_schema(path)
        names: list[str] = schema.names
    except _UNREADABLE:
        return {}, ["is damaged, or written in a way that is not known here: its columns cannot be told"]
    problems = column_problems(names, settings, "holds another table: it has none of the columns")
    fitting: dict[str, pa.DataType] = {}
    n_of = Counter(names)
    for name in settings.used:
        if n_of[name] == 1:
            kind = schema.field(name).type
            if misfits := [declared for declared in settings.kinds(name) if not _FITS[declared](_value_type(kind))]:
                problems.append(f"has {_spelt(kind)} in the column '{name}', which is declared as {_WORDS[misfits[0]]}")
            else:
                fitting[name] = kind
    return fitting, problems


@contextmanager
def _open(path: Path, columns: dict[str, pa.DataType]) -> Iterator[pq.ParquetFile | None]:
    """The file, unless nothing of it can be read."""
    texts = [name for name, kind in columns.items() if _is_text(_value_type(kind))]  # each of them once: it may be long
    try:
        file = columns and pq.ParquetFile(
            path, read_dictionary=texts, buffer_size=_BUFFER_BYTES, page_checksum_verification=True
        )
    except _UNREADABLE:
        file = None
    if not file:
        yield None
        return
    with file:
        yield file


def _batches(file: pq.ParquetFile | None, group: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """What can be read of a row group, until the first fault."""
    if file is None:
        return
    try:
        for batch in file.iter_batches(_CHUNK_ROWS, row_groups=[group], columns=columns):
            if any(map(_points_beyond, batch.columns)):
                return
            yield batch
    except _UNREADABLE:
        return


def _points_beyond(values: pa.Array) -> bool:
    """Whether codes name words that the dictionary lacks: a flipped bit where pages have no checksum, unseen by Arrow."""
    if not pt.is_dictionary(values.type):
        return False
    ends = pc.min_max(values.indices).as_py()
    return ends["max"] is not None and not 0 <= ends["min"] <= ends["max"] < len(values.dictionary)


class _TextBudget:
    """How much text a file may still unfold to."""

    def __init__(self, path: Path) -> None:
        self._left = _PLAUSIBLE_TEXT_BYTES + _TEXT_PER_BYTE * path.stat().st_size
        self.is_spent = False

    def allows(self, n_bytes: int) -> bool:
        self._left -= n_bytes
        self.is_spent |= self._left < 0
        return not self.is_spent


class ParquetRows(Rows):
    """Rows of typed columns."""

    def __init__(
        self, part: str, first: int, batch: pa.RecordBatch, settings: IngestSettings, budget: _TextBudget
    ) -> None:
        super().__init__(part, first, len(batch))
        self._batch, self._date_format, self._budget = batch, settings.date_format, budget

    def has(self, column: str) -> bool:
        return column in self._batch.schema.names

    def text(self, column: str) -> pa.Array:
        if not self.has(column):
            return pa.nulls(self.n_rows, pa.string())
        values = self._batch.column(column)
        if pt.is_dictionary(values.type):
            codes = values.indices
            texts, unfit = _texts(values.dictionary)
            n_bytes = pc.sum(pc.binary_length(texts).take(codes)).as_py() or 0
            if not self._budget.allows(n_bytes):
                self.broken.update(range(self.n_rows))
                return pa.nulls(self.n_rows, pa.string())
            texts, unfit = texts.take(codes), pc.fill_null(unfit.take(codes), False)
        else:
            texts, unfit = _texts(values)
        words = "is not text" if pt.is_floating(values.type) else "is not UTF-8"
        for position in np.flatnonzero(as_numpy(unfit)).tolist():
            self.fault(position, f"'{column}' {words}")
        return texts

    def number(self, column: str) -> pa.Array:
        if not self.has(column):
            return pa.nulls(self.n_rows, pa.float64())
        values = _plain(self._batch.column(column))
        if pt.is_decimal(values.type):
            values = values.cast(pa.string())  # from there to the nearest double; Arrow's own way there is not exact
        numbers = as_numpy(values.cast(pa.float64(), safe=False))
        for position in np.flatnonzero(np.abs(numbers) > LARGEST).tolist():
            self.fault(position, f"'{column}' is not a number")
            numbers[position] = np.nan
        return number_column(numbers)

    def date(self, column: str) -> pa.Array:
        if not self.has(column):
            return pa.nulls(self.n_rows, pa.float64())
        kind = self._batch.column(column).type
        if _is_text(_value_type(kind)):
            return text_as_dates(
                self.text(column), self._date_format, lambda position: self.fault(position, f"'{column}' is not a date")
            )
        values = _plain(self._batch.column(column))
        if pt.is_null(values.type):
            return pa.nulls(self.n_rows, pa.float64())
        if pt.is_date32(values.type):
            return number_column(as_numpy(values.cast(pa.int32()).cast(pa.float64())))
        per_second = _PER_SECOND["ms" if pt.is_date64(values.type) else values.type.unit]
        moments = as_numpy(values.cast(pa.int64()).cast(pa.float64(), safe=False))  # in UTC: a zone is how it is shown
        return number_column(moments / per_second / _DAY_S)


def _texts(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Strings, null for empty ones, and which values are no text though they are given."""
    kind = values.type
    if pt.is_floating(kind):
        numbers = as_numpy(values.cast(pa.float64()))
        is_whole = pa.array((np.abs(numbers) <= MOST_EXACT) & (numbers == np.floor(numbers)))
        whole = pc.if_else(is_whole, values, None).cast(pa.int64()).cast(pa.string())
        return whole, pc.and_(pc.invert(is_whole), pa.array(~np.isnan(numbers)))
    try:
        texts = values.cast(pa.string())
        if _is_text(kind):  # a file may call text what is none
            texts = texts.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        texts = pa.array([_decoded(value) for value in values.cast(pa.binary()).to_pylist()], pa.string())
    return without_empty(texts), pc.and_(values.is_valid(), texts.is_null())


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _plain(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pt.is_dictionary(values.type) else values


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pt.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pt.is_string(kind)
        or pt.is_large_string(kind)
        or pt.is_string_view(kind)
        or pt.is_binary(kind)
        or pt.is_large_binary(kind)
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind))


_FITS: dict[ColumnKind, Callable[[pa.DataType], bool]] = {
    "numeric": lambda kind: _is_number(kind) or pt.is_null(kind),
    "categorical": lambda kind: (
        _is_text(kind)
        or pt.is_boolean(kind)
        or pt.is_null(kind)
        or (_is_number(kind) and (not pt.is_decimal(kind) or kind.scale == 0))
    ),
    "date": lambda kind: _is_text(kind) or pt.is_date(kind) or pt.is_timestamp(kind) or pt.is_null(kind),
}
_WORDS: dict[ColumnKind, str] = {"numeric": "a number", "categorical": "text", "date": "a date"}


def _spelt(kind: pa.DataType) -> str:
    kind = _value_type(kind)
    if pt.is_nested(kind):
        return "nested values"
    for words, is_it in (("text", _is_text), ("numbers", _is_number), ("booleans", pt.is_boolean)):
        if is_it(kind):
            return "decimals" if pt.is_decimal(kind) else words
    return "moments" if pt.is_timestamp(kind) or pt.is_date(kind) else str(kind)
