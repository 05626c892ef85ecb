"""Batches as Parquet tables with checksummed pages.

One flipped byte in a Parquet file reads as a wrong value and passes every check (measured), unless pages carry checksums
and the reader verifies them: here both are always on. A footer has no checksum, and a flipped byte there renames a column
or loses rows and problems (measured, too); so the footer's SHA-256 stands before it, where no reader of Parquet looks.

Columns of every kind, before its payload:
    record_id  string         the declared id, else a hash of the payload (tables: with batch and occurrence)
    split_key  string         what decides the side of the split: hash of group or payload, never of the target
    target     any            int64 for images; string or double for tables; null where it could not be read
    group      string         customer, patient, ...; null where none is declared
    problems   list<string>   what `ingest` could not read in this row
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import file_sha256, new_file

_METADATA_KEY = b"gristmill"
_SEAL_BYTES = hashlib.sha256().digest_size
_FOOTER_END_BYTES = 8


class CorruptBatchError(GristmillError):
    """A batch table's bytes are not what was written."""

    def __str__(self) -> str:
        path, cause = self.args
        return f"{path} is damaged ({cause}). Remove it and its copy in .dvc/cache, then run `dvc repro` again."


class BatchTable(NamedTuple):
    """Rows of one batch, and what could not be read of it as a whole."""

    rows: pa.Table
    problems: list[str]
    """Faults of whole parts (a truncated file, a missing column); rows have their own."""
    notes: Sequence[str] = ()
    """How parts were read, where that is not plain; said when they are read, and not kept."""


def write_batch(path: Path, table: BatchTable) -> None:
    """Write one batch as Parquet (zstd, page checksums), whole or not at all."""
    metadata = {**(table.rows.schema.metadata or {}), _METADATA_KEY: json.dumps({"problems": table.problems}).encode()}
    with new_file(path) as temporary:
        pq.write_table(
            table.rows.replace_schema_metadata(metadata),
            temporary,
            compression="zstd",
            write_page_checksum=True,
        )
        _seal(temporary)


def read_schema(path: Path) -> pa.Schema:
    """The columns of a batch, verifying that they are those that were written.

    Raises:
        CorruptBatchError: they are not.
    """
    with _undamaged(path):
        return pq.read_schema(path)


def read_batch(path: Path, columns: Sequence[str] | None = None) -> BatchTable:
    """Read a batch, or some of its columns, verifying every page.

    Raises:
        CorruptBatchError: the bytes are not those that were written.
    """
    with _undamaged(path):
        rows = pq.read_table(
            path, columns=list(columns) if columns else None, page_checksum_verification=True, partitioning=None
        )
    return _with_problems(rows)


def read_admitted(path: Path, entry: Mapping[str, Any], columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a batch that validate admitted, with their corrected targets.

    Args:
        path: the batch's table.
        entry: what admitted.json says of it.
        columns: of those, the ones that it has; all without problems where None.

    Raises:
        CorruptBatchError: it is not the table that was admitted.
    """
    if not path.is_file() or file_sha256(path) != entry["sha256"]:
        raise CorruptBatchError(path, "it is not the table that validate admitted")
    there = [name for name in read_schema(path).names if name != "problems"]
    rows = read_batch(path, there if columns is None else [name for name in columns if name in there]).rows
    if entry["targets"]:
        targets = rows.column("target").to_pylist()
        for position, target in entry["targets"].items():
            targets[int(position)] = target
        field = rows.schema.field("target")
        rows = rows.set_column(rows.schema.get_field_index("target"), field, pa.array(targets, field.type))
    return pa.concat_tables([rows.slice(start, stop - start) for start, stop in entry["rows"]])


def read_rows(path: Path, positions: npt.NDArray[np.int64]) -> BatchTable:
    """Read the rows of a batch at `positions` (rising), verifying their pages; never more than a row group at a time.

    Raises:
        CorruptBatchError: the bytes are not those that were written.
    """
    with _undamaged(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        found = [file.schema_arrow.empty_table()]
        start = 0
        for group in range(file.num_row_groups):
            stop = start + file.metadata.row_group(group).num_rows
            here = positions[np.searchsorted(positions, start) : np.searchsorted(positions, stop)]
            if len(here):
                found.append(file.read_row_group(group).take(pa.array(here - start)))
            start = stop
    return _with_problems(pa.concat_tables(found))


def _with_problems(rows: pa.Table) -> BatchTable:
    metadata = json.loads((rows.schema.metadata or {}).get(_METADATA_KEY, b'{"problems": []}'))
    return BatchTable(rows.replace_schema_metadata(None), metadata["problems"])


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Check a table's seal, then turn what reading it raises into ours."""
    try:
        with path.open("rb") as file:
            start, footer = _footer(file)
            file.seek(max(0, start - _SEAL_BYTES))
            if file.read(_SEAL_BYTES) != hashlib.sha256(footer).digest():
                raise CorruptBatchError(path, "its footer does not match its checksum")
        yield
    except (OSError, pa.ArrowException) as error:
        raise CorruptBatchError(path, " ".join(str(error).split())) from error


def _seal(path: Path) -> None:
    with path.open("r+b") as file:
        start, footer = _footer(file)
        file.seek(start)
        file.write(hashlib.sha256(footer).digest() + footer)


def _footer(file: BinaryIO) -> tuple[int, bytes]:
    """Where the footer begins, and all from there on: its bytes, their number (uint32, little-endian), "PAR1"."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _FOOTER_END_BYTES))
    start = max(0, end - _FOOTER_END_BYTES - int.from_bytes(file.read(4), "little"))
    file.seek(start)
    return start, file.read()
