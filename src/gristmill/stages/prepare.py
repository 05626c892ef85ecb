"""Admitted rows become tensors to learn from, and rows to be judged on.

It reads what admitted.json names, by hash, and nothing else; so when nothing new was admitted, its bytes stay the same. The
holdout and the benchmark are kept as rows, not as tensors: evaluation asks each model through its own encoding.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from safetensors.numpy import save_file

from gristmill.data.batches import BatchTable, read_admitted, write_batch
from gristmill.data.splits import SIDES, sides
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import new_file, new_folder, read_json, write_json, write_text
from gristmill.ground.workload import Workload

if TYPE_CHECKING:
    from gristmill.kinds.contract import Tensors


class EmptySideError(GristmillError):
    """A side of the split would hold no rows."""

    def __str__(self) -> str:
        workload, side, n_rows = self.args
        setting = f", or raise prepare.{side}_fraction in params/{workload}.yaml" if side != "train" else ""
        return (
            f"{workload}: of {n_rows} admitted rows none is in the {side} split. Land more data "
            f"(`gristmill land {workload} FILE...`){setting}; data/{workload}/quarantine says what was refused."
        )


def prepare(workload: Workload) -> None:
    """Write data/<w>/prepared: train and validation as tensors, holdout and benchmark as rows, contract and counts.

    Raises:
        CorruptBatchError: a batch table is not the one that was admitted.
        EmptySideError: train, validation or holdout would hold no rows.
    """
    tensors: Tensors = importlib.import_module(f"gristmill.kinds.{workload.kind}.tensors")
    settings: Any = tensors.PrepareSettings.read(workload.params, "prepare")
    contract = tensors.contract(settings)
    admitted = read_json(workload.admitted)["batches"]
    if not admitted:
        raise EmptySideError(workload.name, "train", 0)
    rows, benchmark = (_rows(workload, role, admitted) for role in ("train", "benchmark"))
    published = _stands_in(benchmark, rows)
    rows = rows.filter(pc.invert(published))  # a published test set is never trained on, however it came in
    side = sides(rows.column("split_key"), settings.holdout_fraction, settings.validation_fraction)
    parts = {name: rows.filter(pa.array(side == number)) for number, name in enumerate(SIDES)}
    for name in ("holdout", "train", "validation"):
        if not len(parts[name]):
            raise EmptySideError(workload.name, name, len(rows))
    parts["benchmark"] = benchmark
    counts: dict[str, Any] = {name: len(part) for name, part in parts.items()}
    counts["excluded_as_benchmark"] = pc.sum(published, min_count=0).as_py()
    with new_folder(workload.prepared) as folder:
        for name in ("train", "validation"):
            arrays = {**tensors.encode(tensors.columns(parts[name], contract), contract)}
            arrays["target"] = tensors.targets(parts[name], contract)
            with new_file(folder / f"{name}.safetensors") as temporary:
                save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, temporary)
            record_ids = parts[name].column("record_id").to_pylist()
            write_text(folder / f"{name}.txt", "".join(f"{record_id}\n" for record_id in record_ids))
        for name in ("holdout", "benchmark"):
            write_batch(folder / f"{name}.parquet", BatchTable(parts[name], []))
        if contract["task"] == "classification":
            counts["classes"] = {name: _class_counts(tensors, part, contract) for name, part in parts.items()}
        write_json(folder / "contract.json", contract)
        write_json(folder / "counts.json", counts)
    print(", ".join(f"{name} {len(part)}" for name, part in parts.items()))


def _rows(workload: Workload, role: str, admitted: list[Mapping[str, Any]]) -> pa.Table:
    """The admitted rows of one role, ordered by record_id; of none, an empty table of the same columns.

    In that order it does not matter which of two equal records was kept, nor how rows were put into batches.
    """
    tables = [_batch(workload, entry) for entry in admitted if entry["role"] == role]
    rows = pa.concat_tables(tables or [_batch(workload, admitted[0]).slice(0, 0)]).combine_chunks()
    return rows.sort_by("record_id")


def _stands_in(benchmark: pa.Table, rows: pa.Table) -> pa.ChunkedArray:
    """Which rows share their record, payload or group with the benchmark."""
    same = [
        pc.is_in(rows.column(name), value_set=benchmark.column(name).combine_chunks())
        for name in ("record_id", "split_key")
    ]
    return pc.or_(*same)


def _batch(workload: Workload, entry: Mapping[str, Any]) -> pa.Table:
    return read_admitted(workload.batches / f"{entry['batch']}.parquet", entry)


def _class_counts(tensors: "Tensors", rows: pa.Table, contract: dict[str, Any]) -> dict[str, int]:
    n = np.bincount(tensors.targets(rows, contract), minlength=len(contract["classes"]))
    return {name: int(count) for name, count in zip(contract["classes"], n, strict=True)}
