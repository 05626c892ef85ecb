"""What validate writes down: which rows are in, what is kept out and why, and figures that add up.

Nothing here depends on when or where it was made: the same data gives the same bytes.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.data.manifest import Decision, Finding
from gristmill.quality.reasons import Reason
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


def quarantined_rows(rows: pa.Table, account: Account) -> pa.Table:
    """The quarantined rows of a batch that is not quarantined as a whole, with `reasons` and `position`."""
    positions = np.flatnonzero(account.statuses == Status.QUARANTINED)
    reasons: dict[int, list[str]] = {int(position): [] for position in positions}
    for reason in account.reasons:
        if reason.severity == "critical" and reason.positions is not None:
            for position in np.intersect1d(reason.positions, positions):
                reasons[int(position)].append(reason.for_a_row)
    return (
        rows.take(pa.array(positions))
        .append_column("reasons", pa.array(list(reasons.values()), pa.list_(pa.string())))
        .append_column("position", pa.array(positions, pa.int64()))
    )
