"""Bytes as they landed become one Parquet table for each batch.

It never fails on data: what it cannot read becomes a problem, which `validate` judges. It does fail where a part is not
the one that landed, for then nobody knows what the data are.
"""

import importlib
from typing import TYPE_CHECKING

from gristmill.data.batches import write_batch
from gristmill.data.manifest import LandedBatch, read_landing
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import file_sha256, new_folder
from gristmill.ground.memo import Memo
from gristmill.ground.workload import Workload

if TYPE_CHECKING:
    from gristmill.kinds.contract import Records


class ChangedPartError(GristmillError):
    """A part of a landed batch is not what its manifest names."""

    def __init__(self, workload: str, batch: str, part: str, fault: str) -> None:
        super().__init__(workload, batch, part, fault)

    def __str__(self) -> str:
        workload, batch, part, fault = self.args
        return (
            f"{workload}: '{part}' of batch {batch} {fault}, and what landed never changes. Remove data/{workload}/landing "
            "and its copy in .dvc/cache, then bring it again (`gristmill pull`, or land the batch once more)."
        )


def ingest(workload: Workload, memo: Memo | None = None) -> None:
    """Read every landed batch into data/<w>/batches/<batch>.parquet.

    Args:
        workload: whose data it is.
        memo: the tables of batches that were read before, from the same bytes by the same code.

    Raises:
        SettingsError: the section `ingest` does not fit the kind.
        ChangedPartError: a part is missing, or its bytes are not those that landed.
    """
    records: Records = importlib.import_module(f"gristmill.kinds.{workload.kind}.records")
    settings = records.IngestSettings.read(workload.params, "ingest")
    memo = memo or Memo()
    n_known = 0
    with new_folder(workload.batches) as folder:
        for batch in read_landing(workload.landing):
            _check_parts(
                workload.name, batch
            )  # at each turn: a table from the memo says nothing of the bytes that lie here
            name = batch.manifest.batch
            key = memo.key(batch.manifest.model_dump(mode="json"))
            if memo.link(key, folder / f"{name}.parquet"):
                n_known += 1
                continue
            table = records.read(batch.parts, settings, name)
            write_batch(folder / f"{name}.parquet", table)
            memo.keep(key, workload.batches / f"{name}.parquet")
            print(f"{name} ({batch.manifest.role}): {len(table.rows)} rows")
            for line in (*table.notes, *table.problems):
                print(f"  {line}")
    if n_known:
        print(f"{n_known} {'batch' if n_known == 1 else 'batches'} as read before, from the same bytes")


def _check_parts(workload: str, batch: LandedBatch) -> None:
    for part, path in zip(batch.manifest.parts, batch.parts, strict=True):
        if not path.is_file():
            raise ChangedPartError(workload, batch.manifest.batch, part.name, "is missing")
        if file_sha256(path) != part.sha256:
            raise ChangedPartError(workload, batch.manifest.batch, part.name, "has other bytes than its manifest names")
