"""The sum that must come out at every turn: each row that landed has exactly one status.

The stages' count is held against one taken from the bytes by another way than reading them; a stage that loses a row, or
makes one, ends the turn.
"""

import importlib
from pathlib import Path

from gristmill.data.manifest import read_landing
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import content_sha256, read_json
from gristmill.ground.memo import Memo, hashes
from gristmill.ground.settings import Settings
from gristmill.ground.workload import Workload


class AccountingError(GristmillError):
    """Rows were lost or made: a fault in the pipeline, not in the data."""

    def __str__(self) -> str:
        workload, batch, counted, judged = self.args
        return (
            f"{workload}: batch {batch} holds {counted} rows by its bytes, but {judged} have a status in validation.json. "
            "This is a fault in `ingest` or `validate`; nothing was recorded. Please report it with the batch."
        )


def check_every_row_has_a_status(workload: Workload, memos: Path | None = None) -> int:
    """Compare validation.json with the landed bytes, batch by batch.

    Args:
        workload: whose paths lie where its stages ran.
        memos: the folder of memos, where a batch's count is found again: the bytes never change (ingest verifies it), and
            to count them all at each turn takes as long as reading all that ever landed.

    Returns:
        How many rows there are.

    Raises:
        AccountingError: for the first batch whose sum does not come out.
    """
    records = importlib.import_module(f"gristmill.kinds.{workload.kind}.records")
    settings = records.IngestSettings.read(workload.params, "ingest")
    report = read_json(workload.reports / "validation.json")
    judged = {entry["batch"]: sum(entry["rows"].values()) for entry in report["batches"]}
    memo = _memo(memos, workload, settings)
    total = 0
    for batch in read_landing(workload.landing):
        key = memo.key(batch.manifest.model_dump(mode="json"))
        if known := memo.read(key):
            counted = int(known)
        else:
            counted = records.count_rows(batch.parts, settings)
            memo.keep(key, str(counted).encode())
        with_status = judged.pop(batch.manifest.batch, "none")
        if with_status != counted:
            raise AccountingError(workload.name, batch.manifest.batch, counted, with_status)
        total += counted
    if judged:
        raise AccountingError(workload.name, next(iter(judged)), 0, next(iter(judged.values())))
    memo.settle()
    return total


def _memo(folder: Path | None, workload: Workload, settings: Settings) -> Memo:
    """On the ground of the code that counts, which is this process's own and not that of the workload's tree."""
    package = Path(__file__).resolve().parents[1]
    code = hashes(package, [package / "kinds" / workload.kind / "records", package / "data", package / "ground"])
    ground = content_sha256([code, settings.model_dump(mode="json")])
    return Memo(folder / workload.name / "count" if folder else None, ground)
