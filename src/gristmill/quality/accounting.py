"""What validate writes down: which rows are in, what is kept out and why, and figures that add up.

Nothing here depends on when or where it was made: the same data gives the same bytes.
"""

import hashlib
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

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


def account_sha256(account: Account) -> str:
    """What becomes of the rows of a batch, and why, as a hash."""
    content = hashlib.sha256(account.statuses.tobytes())
    for reason in account.reasons:
        positions = b"" if reason.positions is None else reason.positions.tobytes()
        content.update(f"{reason.severity} {reason.for_a_row!r} {len(positions)}\n".encode() + positions)
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
            }
        )
    return {"rows": {**total, "total": total.total()}, "batches": batches}


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


def quarantined_rows(rows: pa.Table, account: Account) -> pa.Table:
    """The rows at `quarantined_positions` of a batch that is not quarantined as a whole, with `reasons` and `position`."""
    positions = quarantined_positions(account)
    return rows.append_column("reasons", _reasons_by_row(account, positions)).append_column(
        "position", pa.array(positions, pa.int64())
    )


def _reasons_by_row(account: Account, positions: Positions) -> pa.Array:
    """For each of these rows the critical reasons that name it, in the order of the account's reasons."""
    told: list[str] = []
    rows = [np.empty(0, dtype=np.int64)]
    for reason in account.reasons:
        if reason.severity == "critical" and reason.positions is not None:
            told.append(reason.for_a_row)
            quarantined = reason.positions[account.statuses[reason.positions] == Status.QUARANTINED]
            rows.append(np.searchsorted(positions, quarantined))
    row = np.concatenate(rows)
    which = np.repeat(np.arange(len(told)), [len(one) for one in rows[1:]])
    by_row = np.argsort(row, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(positions)))])
    texts = pa.array(told, pa.string()).take(pa.array(which[by_row]))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), texts)
