"""What people, and checks at landing, decided about a batch: read from the decision files beside it, oldest first.

For each row the newest decision stands:
    drop       the row is never admitted
    withhold   the row is kept out until it is released
    revert     the row is taken out again
    release    ends a withholding or a reverting, and the row is judged as any other; otherwise the row is admitted in
               spite of its reasons (withheld data may have other faults, which its release says nothing about)
    correct    the row has another target, before it is judged; this stands beside the others
    check      says what was found when the batch landed, and keeps no row out
A decision without `rows` is about the whole batch. Equal record_ids in one batch share a decision.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.data.manifest import Decision
from gristmill.quality.reasons import Positions, Reason
from gristmill.quality.statuses import Status, Statuses

_KEPT_OUT = {"drop": Status.DROPPED, "withhold": Status.WITHHELD, "revert": Status.REVERTED}


class Correction(NamedTuple):
    """A row's new target, and how new it is."""

    target: Any
    age: tuple[datetime, int]
    """When it was decided, and its number among the batch's decisions; the greater is the newer."""


class Standing(NamedTuple):
    """What stands for each row of a batch, once all its decisions are read."""

    kept_out: Statuses
    """DROPPED, WITHHELD, REVERTED, or ADMITTED where nothing keeps the row out."""
    released: npt.NDArray[np.bool_]
    """Admit in spite of reasons."""
    corrections: dict[int, Correction]
    """By position."""
    reasons: list[Reason]
    """What to say about the decisions themselves."""


def read_decisions(decisions: Sequence[Decision], record_ids: pa.ChunkedArray) -> Standing:
    """Apply decisions, oldest first, to the rows of one batch."""
    n_rows = len(record_ids)
    kept_out = np.full(n_rows, Status.ADMITTED, dtype=np.int8)
    released = np.zeros(n_rows, dtype=np.bool_)
    corrections: dict[int, Correction] = {}
    spoken_by = np.full(n_rows, -1, dtype=np.int64)
    reasons = []
    rows = _Rows(record_ids, decisions)
    for number, decision in enumerate(decisions):
        if decision.finding:
            reasons += [Reason(told, "warning") for told in decision.finding.warnings]
            reasons += [Reason(told, "info") for told in decision.finding.notes]
        if decision.decision == "check":
            continue
        named = decision.targets if decision.decision == "correct" else decision.rows
        positions, n_unknown = rows.find(named)
        if n_unknown:
            text = f"decision {number + 1} ({decision.decision}) names {n_unknown} records that are not in this batch"
            reasons.append(Reason(text, "warning"))
        if decision.decision == "correct":
            for record, target in (decision.targets or {}).items():
                for position in rows.of(record):
                    corrections[position] = Correction(target, (_utc(decision.at), number))
            continue
        spoken_by[positions] = number
        if decision.decision == "release":
            paused = np.isin(kept_out[positions], (Status.WITHHELD, Status.REVERTED))
            released[positions[~paused]] = True
            kept_out[positions] = Status.ADMITTED
        else:
            kept_out[positions] = _KEPT_OUT[decision.decision]
    return Standing(kept_out, released, corrections, reasons + _told(decisions, spoken_by, kept_out, corrections))


def fitted(target: Any, column: pa.DataType) -> Any:
    """A corrected target as the column's type, or None where it does not fit."""
    try:
        if pa.types.is_integer(column):
            whole = int(target)
            return whole if isinstance(target, str) or whole == target else None
        if pa.types.is_floating(column):
            return float(target) if np.isfinite(float(target)) else None
    except (ValueError, OverflowError):
        return None
    return target if pa.types.is_null(column) else str(target)


class _Rows:
    """Positions by record_id, of the records that decisions name: in one pass, whatever the number of rows."""

    def __init__(self, record_ids: pa.ChunkedArray, decisions: Sequence[Decision]) -> None:
        self._n_rows = len(record_ids)
        named = list(dict.fromkeys(record for one in decisions for record in [*(one.rows or ()), *(one.targets or ())]))
        self._positions: dict[str, list[int]] = {record: [] for record in named}
        if named:
            which = pc.index_in(record_ids, value_set=pa.array(named, pa.string())).combine_chunks()
            here = which.is_valid().to_numpy(zero_copy_only=False)
            for position, number in zip(np.flatnonzero(here).tolist(), which.drop_null().to_pylist(), strict=True):
                self._positions[named[number]].append(position)

    def of(self, record: str) -> list[int]:
        return self._positions[record]

    def find(self, records: Any) -> tuple[Positions, int]:
        """Positions of the records named, all where None, and how many of them are not here."""
        if records is None:
            return np.arange(self._n_rows), 0
        found = [self.of(record) for record in records]
        positions = sorted({position for group in found for position in group})
        return np.array(positions, dtype=np.int64), sum(not group for group in found)


def _told(
    decisions: Sequence[Decision],
    spoken_by: npt.NDArray[np.int64],
    kept_out: Statuses,
    corrections: dict[int, Correction],
) -> list[Reason]:
    """A line for each decision that still stands for some row."""
    reasons = []
    by_number = Counter(correction.age[1] for correction in corrections.values())
    for number, decision in enumerate(decisions):
        if decision.decision == "correct":
            positions = np.array(sorted(p for p, c in corrections.items() if c.age[1] == number), dtype=np.int64)
            assert len(positions) == by_number[number]
        else:
            positions = np.flatnonzero(spoken_by == number)
        if len(positions):
            did = {"drop": "dropped", "withhold": "withheld", "revert": "reverted", "release": "released"}
            text = f"{did.get(decision.decision, 'corrected')} by {decision.actor}: {decision.reason}"
            reasons.append(Reason(text, "info", positions, verb=("was", "were")))
    return reasons


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
