"""Admit rows that are good, and keep the others with their reasons.

A verdict is data, never an exit code: only a fault of the platform (a suite that cannot be trusted, a damaged table)
stops the stage. It reads landing for decisions and roles, never a model, so admission is a pure function of what landed.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from gristmill.adapters.expectations import CompiledSuite
from gristmill.data.batches import BatchTable, CorruptBatchError, read_batch, write_batch
from gristmill.data.manifest import LandedBatch, read_landing
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import file_sha256, new_folder, write_json
from gristmill.ground.settings import Settings
from gristmill.ground.workload import Workload
from gristmill.quality.accounting import (
    Account,
    admitted_entry,
    batch_status,
    newest_finding,
    quarantined_rows,
    reason_file,
    report,
    told,
)
from gristmill.quality.decisions import read_decisions
from gristmill.quality.duplicates import Candidates, one_of_each
from gristmill.quality.statuses import Status, count
from gristmill.quality.structure import check_structure
from gristmill.quality.suite import Suite, read_suite
from gristmill.quality.verdict import Verdict, judge, with_targets


class ValidateSettings(Settings):
    """How bad a batch may be."""

    max_bad_rows: float = Field(default=0.01, ge=0, le=1)
    """The share of bad rows above which a batch is quarantined as a whole; up to it, its good rows are admitted."""


class MissingBatchError(GristmillError):
    """A batch landed, and ingest made no table of it."""

    def __str__(self) -> str:
        return f"batch {self.args[0]} has landed, but {self.args[1]} does not exist. Run ingest first (`dvc repro`)."


def validate(workload: Workload) -> None:
    """Judge every landed batch; write admitted.json, quarantine/ and reports/<w>/validation.json.

    Raises:
        SettingsError: the section `validate` does not fit.
        SuiteError: the suite cannot be trusted.
        MissingBatchError: ingest made no table of a batch.
        CorruptBatchError: a table's bytes are not what ingest wrote.
        BatchFormatError: a table lacks what ingest gives to every batch.
    """
    settings = ValidateSettings.read(workload.params, "validate")
    suite = read_suite(workload.expectations, workload.name)
    compiled = CompiledSuite(suite, workload.expectations)
    landed = read_landing(workload.landing)
    judged = [_judge(workload, batch, suite, compiled, settings) for batch in landed]
    settled = one_of_each([candidates for candidates, _ in judged])
    accounts = [
        Account(
            batch=batch.manifest.batch,
            role=batch.manifest.role,
            n_rows=len(statuses),
            statuses=statuses,
            whole=verdict.whole,
            reasons=verdict.reasons + added,
            targets=verdict.targets,
            finding=newest_finding(batch.decisions),
        )
        for batch, (_, verdict), (statuses, added) in zip(landed, judged, settled, strict=True)
    ]
    _write(workload, accounts)
    for account in accounts:
        _print(account)


def _judge(
    workload: Workload, batch: LandedBatch, suite: Suite, compiled: CompiledSuite, settings: ValidateSettings
) -> tuple[Candidates, Verdict]:
    """The verdict on one batch by itself, from the columns that it takes; pictures and the like are not read."""
    name = batch.manifest.batch
    path = _table(workload, name)
    if not path.exists():
        raise MissingBatchError(name, path)
    schema = _schema(path)
    once = [column for column in schema.names if schema.names.count(column) == 1]
    columns = [column for column in once if column in {*suite.reads(once), "record_id", "target", "problems"}]
    table = read_batch(path, columns)
    structure = check_structure(name, schema, len(table.rows), table.problems, suite)
    standing = read_decisions(batch.decisions, table.rows.column("record_id"))
    verdict = judge(table.rows, structure, standing, suite, settings.max_bad_rows, compiled.outcomes)
    candidates = Candidates(
        batch=name,
        role=batch.manifest.role,
        record_ids=table.rows.column("record_id"),
        targets=with_targets(table.rows, verdict.targets).column("target"),
        statuses=verdict.statuses,
        corrections=standing.corrections,
    )
    return candidates, verdict


def _table(workload: Workload, batch: str) -> Path:
    return workload.batches / f"{batch}.parquet"


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise CorruptBatchError(path, " ".join(str(error).split())) from error


def _write(workload: Workload, accounts: list[Account]) -> None:
    entries = [admitted_entry(account, file_sha256(_table(workload, account.batch))) for account in accounts]
    figures = report(accounts)
    with new_folder(workload.quarantine) as folder:
        for account in accounts:
            _write_quarantine(workload, account, folder)
        kept_out = [entry for entry in figures["batches"] if entry["n_rows"] == 0 or _kept_out(entry)]
        write_json(
            folder / "index.json",
            {
                "batches": {
                    entry["batch"]: {
                        "role": entry["role"],
                        "status": entry["status"],
                        "n_rows": entry["n_rows"],
                        "rows": _kept_out(entry),
                        "reasons": [line["reason"] for line in entry["reasons"] if line["severity"] != "warning"],
                    }
                    for entry in kept_out
                }
            },
        )
    write_json(workload.admitted, {"batches": [entry for entry in entries if entry]})
    write_json(workload.reports / "validation.json", figures)


def _kept_out(entry: dict[str, dict[str, int]]) -> dict[str, int]:
    """Rows by status, of those statuses that a person can change."""
    waiting = ("quarantined", "dropped", "withheld", "reverted")
    return {status: n for status, n in entry["rows"].items() if status in waiting and n}


def _write_quarantine(workload: Workload, account: Account, folder: Path) -> None:
    if account.whole:
        write_json(folder / account.batch / "reason.json", reason_file(account))
    elif (account.statuses == Status.QUARANTINED).any():
        table = read_batch(_table(workload, account.batch))
        rows = quarantined_rows(table.rows, account)
        write_batch(folder / account.batch / "rows.parquet", BatchTable(rows, table.problems))


def _print(account: Account) -> None:
    counts = ", ".join(f"{n} {status}" for status, n in count(account.statuses).items() if n) or "no rows"
    print(f"{account.batch} ({account.role}): {batch_status(account)}; {counts}")
    for line in told(account):
        print(f"  {line['severity']}: {line['reason']}")
