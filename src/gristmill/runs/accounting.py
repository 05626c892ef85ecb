"""The sum that must come out at every turn: each row that landed has exactly one status.

The stages' count is held against one taken from the bytes by another way than reading them; a stage that loses a row, or
makes one, ends the turn.
"""

import importlib

from gristmill.data.manifest import read_landing
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json
from gristmill.ground.workload import Workload


class AccountingError(GristmillError):
    """Rows were lost or made: a fault in the pipeline, not in the data."""

    def __str__(self) -> str:
        workload, batch, counted, judged = self.args
        return (
            f"{workload}: batch {batch} holds {counted} rows by its bytes, but {judged} have a status in validation.json. "
            "This is a fault in `ingest` or `validate`; nothing was recorded. Please report it with the batch."
        )


def check_every_row_has_a_status(workload: Workload) -> int:
    """Compare validation.json with the landed bytes, batch by batch.

    Returns:
        How many rows there are.

    Raises:
        AccountingError: for the first batch whose sum does not come out.
    """
    records = importlib.import_module(f"gristmill.kinds.{workload.kind}.records")
    settings = records.IngestSettings.read(workload.params, "ingest")
    report = read_json(workload.reports / "validation.json")
    judged = {entry["batch"]: sum(entry["rows"].values()) for entry in report["batches"]}
    total = 0
    for batch in read_landing(workload.landing):
        counted = records.count_rows(batch.parts, settings)
        with_status = judged.pop(batch.manifest.batch, "none")
        if with_status != counted:
            raise AccountingError(workload.name, batch.manifest.batch, counted, with_status)
        total += counted
    if judged:
        raise AccountingError(workload.name, next(iter(judged)), 0, next(iter(judged.values())))
    return total
