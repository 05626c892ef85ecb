"""What validate writes down: which rows are in, what is kept out and why, and figures that add up.

Nothing here depends on when or where it was made: the same data gives the same bytes.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.data.manifest import Decision, Finding
from gristmill.quality.reasons import Positions, Reason
from gristmill.quality.statuses import Status, Statuses, count, ranges

_SHOWN = 20  # reasons of rows, most rows first; what ingest says of single cells could be as many as there are rows


class Account(NamedTuple):
    """One batch after the last pass."""

    batch: str
    role: str
    n_rows: int
    statuses: Statuses
    whole: bool
    reasons: list[Reason]
    targets: dict[int, object]
    """Corrected targets by position."""
    finding: Finding | None = None
    """What the checks at landing found."""


def account_sha256(account: Account) -> str:
    """What becomes of the rows of a batch, and why, as a hash."""
    content = hashlib.sha256(account.statuses.tobytes())
    for reason in account.reasons:
        positions = b"" if reason.positions is None else reason.positions.tobytes()
        content.update(f"{reason.severity} {reason.for_a_row!r} {reason.columns!r} {len(positions)}\n".encode())
        content.update(positions)
    return content.hexdigest()


def batch_status(account: Account) -> str:
    """`admitted`, `partial` (some rows are quarantined), or what became of most rows where none is admitted."""
    counts = np.bincount(account.statuses, minlength=len(Status))
    if counts[Status.ADMITTED]:
        return "partial" if counts[Status.QUARANTINED] else "admitted"
    if not len(account.statuses) or counts[Status.QUARANTINED]:
        return "quarantined"
    return Status(int(counts.argmax())).name.lower()


def report(accounts: list[Account]) -> dict[str, Any]:
    """reports/<w>/validation.json: rows by status, for each batch and together, with the reasons in words."""
    total: Counter[str] = Counter(count(np.empty(0, dtype=np.int8)))
    batches = []
    for account in accounts:
        rows = count(account.statuses)
        assert sum(rows.values()) == account.n_rows, f"a row of {account.batch} has no status, or two"
        total.update(rows)
        batches.append(
            {
                "batch": account.batch,
                "role": account.role,
                "status": batch_status(account),
                "n_rows": account.n_rows,
                "rows": rows,
                "reasons": told(account),
                "finding": headline(account.finding),
            }
        )
    n_warnings = sum(len(account.finding.warnings) for account in accounts if account.finding)
    return {"rows": {**total, "total": total.total()}, "check_warnings": n_warnings, "batches": batches}


def newest_finding(decisions: Sequence[Decision]) -> Finding | None:
    """What the checks at landing found, from the decisions beside a batch."""
    return next((decision.finding for decision in reversed(decisions) if decision.finding), None)


def headline(finding: Finding | None) -> dict[str, Any] | None:
    """A finding without its tables: no record is named in a report, and a thousand batches make no book."""
    if finding is None:
        return None

    def figures(found: dict[str, Any] | None) -> dict[str, Any] | None:
        if found is None:
            return None
        plain = {key: value for key, value in found.items() if not isinstance(value, dict | list) or key == "drifted"}
        return {**plain, "alarms": sorted(found["alarms"])}

    return {
        "champion": finding.champion,
        "warnings": list(finding.warnings),
        "notes": list(finding.notes),
        "labels": figures(finding.labels),
        "drift": figures(finding.drift),
    }


def told(account: Account) -> list[dict[str, Any]]:
    """The reasons of one batch as sentences, for a report."""
    about_rows = [reason for reason in account.reasons if reason.positions is not None]
    by_rows = sorted(about_rows, key=lambda reason: -len(reason.positions if reason.positions is not None else ()))
    hidden = {id(reason) for reason in by_rows[_SHOWN:]}
    lines = [
        {
            "reason": reason.sentence(account.n_rows),
            "n_rows": account.n_rows if reason.positions is None else len(reason.positions),
            "severity": reason.severity,
        }
        for reason in account.reasons
        if id(reason) not in hidden
    ]
    if hidden:
        n_rows = len(np.unique(np.concatenate([r.positions for r in by_rows[_SHOWN:] if r.positions is not None])))
        lines.append({"reason": f"{len(hidden)} more reasons of fewer rows", "n_rows": n_rows, "severity": "info"})
    return lines


def admitted_entry(account: Account, sha256: str) -> dict[str, Any] | None:
    """The batch in admitted.json, or None where no row is in; `sha256` is that of its Parquet file."""
    rows = ranges(account.statuses)
    if not rows:
        return None
    corrected = {p: t for p, t in account.targets.items() if account.statuses[p] == Status.ADMITTED}
    return {
        "batch": account.batch,
        "role": account.role,
        "sha256": sha256,
        "n_rows": account.n_rows,
        "rows": rows,
        "targets": {str(position): target for position, target in sorted(corrected.items())},
    }


def reason_file(account: Account) -> dict[str, Any]:
    """quarantine/<batch>/reason.json, for a batch that is quarantined as a whole."""
    return {
        "batch": account.batch,
        "reasons": [line["reason"] for line in told(account) if line["severity"] == "critical"],
        "n_rows": int((account.statuses == Status.QUARANTINED).sum()),
    }


def quarantined_positions(account: Account) -> Positions:
    """Where the quarantined rows of a batch are."""
    return np.flatnonzero(account.statuses == Status.QUARANTINED)


def named_positions(account: Account) -> Positions:
    """Where the quarantined rows are that some reason names; of a batch that is quarantined as a whole, it may be none."""
    return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *(rows for _, rows in _naming_rows(account))]))


def quarantined_rows(rows: pa.Table, account: Account) -> pa.Table:
    """The rows at `quarantined_positions` of a batch that is not quarantined as a whole, with what `row_reasons` says."""
    reasons = row_reasons(account, quarantined_positions(account))
    for name in reasons.column_names:
        rows = rows.append_column(name, reasons.column(name))
    return rows


def row_reasons(account: Account, positions: Positions) -> pa.Table:
    """Why rows are quarantined, a line for each of `positions` (rising).

    Returns:
        reasons   list<string>: the critical reasons that name the row, in the order of the account's
        columns   list<list<string>>: for each reason, the columns whose cells are at fault
        position  int64
    """
    naming = _naming_rows(account)
    row = np.concatenate([np.empty(0, dtype=np.int64), *(np.searchsorted(positions, rows) for _, rows in naming)])
    which = np.repeat(np.arange(len(naming)), [len(rows) for _, rows in naming])
    chosen = pa.array(which[np.argsort(row, kind="stable")])
    ends = pa.array(np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(positions)))]), pa.int32())
    texts = pa.array([reason.for_a_row for reason, _ in naming], pa.string()).take(chosen)
    columns = pa.array([reason.columns for reason, _ in naming], pa.list_(pa.string())).take(chosen)
    return pa.table(
        {
            "reasons": pa.ListArray.from_arrays(ends, texts),
            "columns": pa.ListArray.from_arrays(ends, columns),
            "position": pa.array(positions, pa.int64()),
        }
    )


def _naming_rows(account: Account) -> list[tuple[Reason, Positions]]:
    """The critical reasons that name rows, each with those of its rows that are quarantined."""
    return [
        (reason, reason.positions[account.statuses[reason.positions] == Status.QUARANTINED])
        for reason in account.reasons
        if reason.severity == "critical" and reason.positions is not None
    ]
