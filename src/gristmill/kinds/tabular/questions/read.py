"""Files as rows that a model is asked about: read as if they landed, but that neither target nor group is needed.

A row that the service would refuse is refused here, in the same words: cells that are no number or date are found by the
reader, and what is left (categories, numbers beyond float32) is shown to the service's own `parse`, each value once.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.kinds.tabular.answers.request import LARGEST, RequestError, parse
from gristmill.kinds.tabular.records.cells import as_numpy
from gristmill.kinds.tabular.records.columns import column_problems
from gristmill.kinds.tabular.records.identity import payloads
from gristmill.kinds.tabular.records.json_rows import JsonRows
from gristmill.kinds.tabular.records.read import part_rows
from gristmill.kinds.tabular.records.rows import Rows
from gristmill.kinds.tabular.records.settings import IngestSettings

_ID_DIGITS = 32


def read(
    parts: Mapping[str, Path], settings: IngestSettings, contract: dict[str, Any], problems: list[str], notes: list[str]
) -> Iterator[pa.Table]:
    """Rows in order, so many at a time as memory can hold.

    Args:
        parts: the files by name; they follow each other.
        settings: how the version's tables are read.
        contract: what its model takes.
        problems: told what is wrong with files as a whole, once they are read.
        notes: told how they are read, where that is not plain.

    Returns:
        `record_id` (the declared one; else a hash of the features and of the row's place among all), the contract's
        columns, and `problem`: null, or why the service would not answer.
    """
    asking = settings.asking([column["name"] for column in contract["columns"]])
    n_before = 0
    for part, path in parts.items():
        found: list[str] = []
        for rows in part_rows(path, part, asking, found, notes):
            if rows.n_rows:
                yield _table(rows, n_before, asking, contract, found)
            n_before += rows.n_rows
        problems += found


def _table(rows: Rows, n_before: int, asking: IngestSettings, contract: dict[str, Any], of_part: list[str]) -> pa.Table:
    readers = {"numeric": rows.number, "categorical": rows.text, "date": rows.date}
    features = {name: readers[kind](name) for name, kind in asking.columns.items()}
    ids = rows.text(asking.id) if asking.id else pa.nulls(rows.n_rows, pa.string())
    refusals: dict[int, dict[str, None]] = {position: dict(faults) for position, faults in rows.faults.items()}
    refuse = partial(_refuse, refusals, rows)
    for position in rows.broken - rows.faults.keys():
        refuse(position, "cannot be read")
    if isinstance(rows, JsonRows):  # a header speaks for all rows; of JSON each row says which columns it has
        for position, row in enumerate(rows.objects):
            if position not in rows.broken and row.keys() != asking.columns.keys():
                for problem in column_problems(list(row), asking, "has none of the columns"):
                    refuse(position, problem)
    for column in contract["columns"]:
        for position, sentence in _unfit(features[column["name"]], column):
            refuse(position, sentence)
    told = ["; ".join([*of_part, *refusals.get(n, ())]) or None for n in range(rows.n_rows)]
    named = {"record_id": _record_ids(features, ids, n_before)}
    return pa.table({**named, **features, "problem": pa.array(told, pa.string())})


def _refuse(refusals: dict[int, dict[str, None]], rows: Rows, position: int, sentence: str) -> None:
    refusals.setdefault(position, {})[f"{rows.part}, row {rows.first + position}: {sentence}"] = None


def _unfit(values: pa.Array, column: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Positions of cells that were read and that the service would refuse, each with its words."""
    if column["type"] == "date":
        return
    if column["type"] == "numeric":
        doubtful = np.flatnonzero(np.abs(as_numpy(values)) > LARGEST)
    else:
        known = pc.is_in(values, value_set=pa.array([*column["categories"], None], pa.string()))
        doubtful = np.flatnonzero(~as_numpy(known))
    words: dict[Any, str | None] = {}
    for position, value in zip(doubtful.tolist(), values.take(pa.array(doubtful)).to_pylist(), strict=True):
        if value not in words:
            words[value] = _words(value, column)
        if sentence := words[value]:
            yield position, sentence


def _words(value: Any, column: dict[str, Any]) -> str | None:
    try:
        parse({"rows": [{column["name"]: value}]}, {"columns": [column]})
    except RequestError as error:
        return str(error).removeprefix("rows[0].")
    return None


def _record_ids(features: dict[str, pa.Array], ids: pa.Array, n_before: int) -> pa.Array:
    if not ids.null_count:
        return ids
    names = ids.to_pylist()
    for position, payload in enumerate(payloads(features).to_pylist()):
        if names[position] is None:
            place = f"\n{n_before + position}".encode()
            names[position] = hashlib.sha256(payload + place).hexdigest()[:_ID_DIGITS]
    return pa.array(names, pa.string())
