"""Admit rows that are good, and keep the others with their reasons.

A verdict is data, never an exit code: only a fault of the platform (a suite that cannot be trusted, a damaged table)
stops the stage. It reads landing for decisions and roles, never a model, so admission is a pure function of what landed.
"""

from pathlib import Path

import pyarrow as pa
from pydantic import Field

from gristmill.adapters.expectations import CompiledSuite
from gristmill.data.batches import BatchTable, read_batch, read_rows, read_schema, write_batch
from gristmill.data.manifest import LandedBatch, Manifest, read_landing
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import file_sha256, new_folder, write_json
from gristmill.ground.memo import Memo
from gristmill.ground.settings import Settings
from gristmill.ground.workload import Workload
from gristmill.quality.accounting import (
    Account,
    account_sha256,
    admitted_entry,
    batch_status,
    named_positions,
    newest_finding,
    quarantined_positions,
    quarantined_rows,
    reason_file,
    report,
    row_reasons,
    told,
)
from gristmill.quality.decisions import read_decisions
from gristmill.quality.duplicates import Candidates, one_of_each, record_keys
from gristmill.quality.explained import explained
from gristmill.quality.judgement import Judgement, packed, unpacked
from gristmill.quality.statuses import count
from gristmill.quality.structure import check_structure
from gristmill.quality.suite import Suite, read_suite
from gristmill.quality.verdict import judge, with_targets


class ValidateSettings(Settings):
    """How bad a batch may be."""

    max_bad_rows: float = Field(default=0.01, ge=0, le=1)
    """The share of bad rows above which a batch is quarantined as a whole; up to it, its good rows are admitted."""


class MissingBatchError(GristmillError):
    """A batch landed, and ingest made no table of it."""

    def __str__(self) -> str:
        return f"batch {self.args[0]} has landed, but {self.args[1]} does not exist. Run ingest first (`dvc repro`)."


def validate(workload: Workload, memo: Memo | None = None) -> None:
    """Judge every landed batch; write admitted.json, quarantine/ and reports/<w>/validation.json.

    Args:
        workload: whose data it is.
        memo: what was made of batches before, from the same tables, decisions, suite and code.

    Raises:
        SettingsError: the section `validate` does not fit.
        SuiteError: the suite cannot be trusted.
        MissingBatchError: ingest made no table of a batch.
        CorruptBatchError: a table's bytes are not what ingest wrote.
        BatchFormatError: a table lacks what ingest gives to every batch.
    """
    memo = memo or Memo()
    settings = ValidateSettings.read(workload.params, "validate")
    suite = read_suite(workload.expectations, workload.name)
    landed = read_landing(workload.landing)
    hashes = [_table_sha256(workload, batch.manifest.batch) for batch in landed]
    keys = [_key(memo, batch, sha256) for batch, sha256 in zip(landed, hashes, strict=True)]
    judged = [unpacked(known) if (known := memo.read(key)) else None for key in keys]
    if not all(judged) or not landed:  # else Great Expectations, which takes seconds to import, has nothing to say
        compiled = CompiledSuite(suite, workload.expectations)
        for i, batch in enumerate(landed):
            if judged[i] is None:
                judged[i] = made = _judge(workload, batch, suite, compiled, settings)
                memo.keep(keys[i], packed(made))
    judgements = [judgement for judgement in judged if judgement]
    settled = one_of_each([_candidates(workload, *pair) for pair in zip(landed, judgements, strict=True)])
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
        for batch, (verdict, _, _), (statuses, added) in zip(landed, judgements, settled, strict=True)
    ]
    _write(workload, landed, accounts, hashes, memo)
    for account in accounts:
        _print(account)


def _key(memo: Memo, batch: LandedBatch, table_sha256: str) -> str:
    """What the judgement of a batch by itself depends on, beside the ground of the stage."""
    decisions = [decision.model_dump(mode="json") for decision in batch.decisions]
    return memo.key("judgement", batch.manifest.model_dump(mode="json"), decisions, table_sha256)


def _judge(
    workload: Workload, batch: LandedBatch, suite: Suite, compiled: CompiledSuite, settings: ValidateSettings
) -> Judgement:
    """The verdict on one batch by itself, from the columns that it takes; pictures and the like are not read."""
    name = batch.manifest.batch
    path = _table(workload, name)
    schema = read_schema(path)
    once = [column for column in schema.names if schema.names.count(column) == 1]
    columns = [column for column in once if column in {*suite.reads(once), "record_id", "target", "problems"}]
    table = read_batch(path, columns)
    structure = check_structure(name, schema, len(table.rows), table.problems, suite)
    standing = read_decisions(batch.decisions, table.rows.column("record_id"))
    keys = record_keys(table.rows.column("record_id"))
    verdict = judge(table.rows, structure, standing, suite, settings.max_bad_rows, compiled.outcomes)
    return Judgement(verdict, keys, {position: one.age for position, one in standing.corrections.items()})


def _candidates(workload: Workload, batch: LandedBatch, judgement: Judgement) -> Candidates:
    def identities() -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        rows = read_batch(_table(workload, batch.manifest.batch), ["record_id", "target"]).rows
        return rows.column("record_id"), with_targets(rows, judgement.verdict.targets).column("target")

    return Candidates(
        batch=batch.manifest.batch,
        role=batch.manifest.role,
        keys=judgement.keys,
        statuses=judgement.verdict.statuses,
        corrected=judgement.corrected,
        identities=identities,
    )


def _table_sha256(workload: Workload, batch: str) -> str:
    path = _table(workload, batch)
    if not path.exists():
        raise MissingBatchError(batch, path)
    return file_sha256(path)


def _table(workload: Workload, batch: str) -> Path:
    return workload.batches / f"{batch}.parquet"


def _write(
    workload: Workload, landed: list[LandedBatch], accounts: list[Account], hashes: list[str], memo: Memo
) -> None:
    entries = [admitted_entry(account, sha256) for account, sha256 in zip(accounts, hashes, strict=True)]
    figures = report(accounts)
    with new_folder(workload.quarantine) as folder:
        for batch, account, sha256 in zip(landed, accounts, hashes, strict=True):
            _write_quarantine(workload, account, sha256, folder, memo)
            if account.whole or len(quarantined_positions(account)):
                _write_explained(workload, account, batch.manifest, folder, memo)
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


def _write_quarantine(workload: Workload, account: Account, table_sha256: str, folder: Path, memo: Memo) -> None:
    """The quarantined rows with their reasons; of a whole batch, whose rows lie in landing untouched, the reasons alone."""
    if account.whole:
        write_json(folder / account.batch / "reason.json", reason_file(account))
    positions = named_positions(account) if account.whole else quarantined_positions(account)
    if not len(positions):
        return
    name = Path(account.batch, "reasons.parquet" if account.whole else "rows.parquet")
    key = memo.key(name.name, table_sha256, account_sha256(account))
    if not memo.link(key, folder / name):
        if account.whole:
            table = BatchTable(row_reasons(account, positions), [])
        else:
            read = read_rows(_table(workload, account.batch), positions)
            table = BatchTable(quarantined_rows(read.rows, account), read.problems)
        write_batch(folder / name, table)
        memo.keep(key, workload.quarantine / name)


def _write_explained(workload: Workload, account: Account, manifest: Manifest, folder: Path, memo: Memo) -> None:
    """What a person reads; from the memo as a link, for it is the flushing of so many files that takes time."""
    text, name = explained(account, manifest, workload.name), Path(account.batch, "reason.md")
    key = memo.key(name.name, text)
    if not memo.link(key, folder / name):
        (folder / name).write_text(text, "utf-8")
        memo.keep(key, workload.quarantine / name)


def _print(account: Account) -> None:
    counts = ", ".join(f"{n} {status}" for status, n in count(account.statuses).items() if n) or "no rows"
    print(f"{account.batch} ({account.role}): {batch_status(account)}; {counts}")
    for line in told(account):
        print(f"  {line['severity']}: {line['reason']}")
