"""The parts of a batch as one table, whatever state they are in.

A cell that is not what its column is declared to be is null, and its row says so; a part that lacks a column or has a
strange one says so for the whole batch. Values are not repeated in problems: they may be personal.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from gristmill.data.batches import BatchTable
from gristmill.kinds.tabular.records.csv_rows import csv_rows
from gristmill.kinds.tabular.records.formats import Format, format_of
from gristmill.kinds.tabular.records.identity import Identities
from gristmill.kinds.tabular.records.json_rows import json_rows
from gristmill.kinds.tabular.records.parquet_rows import parquet_rows
from gristmill.kinds.tabular.records.rows import Rows
from gristmill.kinds.tabular.records.settings import IngestSettings


def read(parts: list[Path], settings: IngestSettings, batch: str) -> BatchTable:
    """Read one batch; several parts follow each other, each in a format of its own.

    Args:
        parts: the landed files.
        settings: which columns are expected.
        batch: its id; it makes the record_id of rows without a declared one.
    """
    problems: list[str] = []
    notes: list[str] = []
    identities = Identities(batch)
    schema = _schema(settings)
    tables = [
        _table(rows, settings, identities, schema)
        for path in parts
        for rows in part_rows(path, _place(path, batch), settings, problems, notes)
        if rows.n_rows
    ]
    return BatchTable(pa.Table.from_batches(tables, schema), problems, notes)


def part_rows(path: Path, part: str, settings: IngestSettings, problems: list[str], notes: list[str]) -> Iterator[Rows]:
    """The rows of one part in order, so many at a time as memory can hold.

    Args:
        path: the file.
        part: what it is called in sentences.
        settings: which columns are expected.
        problems: told what is wrong with the whole of it.
        notes: told how it is read, where that is not plain.
    """
    match format_of(path):
        case Format.CSV:
            return csv_rows(path, part, settings, problems, notes)
        case Format.JSON_LINES:
            return json_rows(path, part, settings, problems)
        case Format.PARQUET:
            return parquet_rows(path, part, settings, problems)


def _place(path: Path, batch: str) -> str:
    """What a part is called: its path below the folder of its batch."""
    below = next((folder for folder in path.parents if folder.name == batch), path.parent)
    return path.relative_to(below).as_posix()


def _schema(settings: IngestSettings) -> pa.Schema:
    payload = {name: pa.string() if kind == "categorical" else pa.float64() for name, kind in settings.columns.items()}
    return pa.schema(
        {
            "record_id": pa.string(),
            "split_key": pa.string(),
            "target": pa.float64() if settings.target_type == "number" else pa.string(),
            "group": pa.string(),
            **payload,
            "problems": pa.list_(pa.string()),
        }
    )


def _table(rows: Rows, settings: IngestSettings, identities: Identities, schema: pa.Schema) -> pa.RecordBatch:
    readers = {"numeric": rows.number, "categorical": rows.text, "date": rows.date}
    features = {name: readers[kind](name) for name, kind in settings.columns.items()}
    target = rows.number(settings.target) if settings.target_type == "number" else rows.text(settings.target)
    ids = rows.name(settings.id, "names the record")
    groups = rows.name(settings.group, "says which rows belong together")
    record_ids, split_keys = identities.of(features, ids, groups)
    return pa.RecordBatch.from_arrays(
        [record_ids, split_keys, target, groups, *features.values(), rows.problems()], schema=schema
    )
