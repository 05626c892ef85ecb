"""The last pass, over all batches together: one record is admitted once, with one target.

Equal record_id and equal target in one role: the first by batch id and position is kept, the others collapse; so the
result does not depend on when a batch landed. Equal record_id with different targets: the newest correction says which
is right; without one, nobody knows, and all sides are quarantined. Roles are not mixed: `prepare` keeps records of a
benchmark out of the training.

The pass holds a number of 8 bytes for each row, not its record_id: only rows whose number is there twice have their
record_ids read and compared.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.quality.reasons import Positions, Reason
from gristmill.quality.statuses import Status, Statuses

_NO_TARGET = "\0"


Ages = dict[int, tuple[datetime, int]]
"""How new the correction of a row is, by position."""
Keys = npt.NDArray[np.uint64]
"""A number for each row; equal records have equal numbers."""


class Candidates(NamedTuple):
    """The rows of one batch, with the statuses that it got by itself."""

    batch: str
    role: str
    keys: Keys
    statuses: Statuses
    corrected: Ages
    identities: Callable[[], tuple[pa.ChunkedArray, pa.ChunkedArray]]
    """Reads record_id and target (as corrected) of each row."""


def record_keys(record_ids: pa.ChunkedArray) -> Keys:
    """The keys of a batch's rows; those of one release of polars may be compared with each other."""
    import polars as pl  # here, for a turn whose batches are all remembered needs no new key

    return pl.Series(record_ids).hash().to_numpy()


def one_of_each(batches: Sequence[Candidates]) -> list[tuple[Statuses, list[Reason]]]:
    """For each batch, in the order given, its statuses after the last pass and the reasons that this adds."""
    statuses = [batch.statuses.copy() for batch in batches]
    in_order = sorted(range(len(batches)), key=lambda i: batches[i].batch)
    for role in sorted({batch.role for batch in batches}):
        _settle([i for i in in_order if batches[i].role == role], batches, statuses)
    settled = []
    for batch, status in zip(batches, statuses, strict=True):
        torn = np.flatnonzero((status == Status.QUARANTINED) & (batch.statuses == Status.ADMITTED))
        text = "the same record as another row with a different target; correct it, or drop one side"
        settled.append((status, [Reason(text, "critical", torn)] if len(torn) else []))
    return settled


def _settle(chosen: list[int], batches: Sequence[Candidates], statuses: list[Statuses]) -> None:
    """Set the statuses of the admitted rows of one role, whose batches are `chosen`, in order."""
    found = _repeated([batches[i].keys[batches[i].statuses == Status.ADMITTED] for i in chosen])
    admitted = [np.flatnonzero(batches[i].statuses == Status.ADMITTED) for i in chosen]
    where = {i: rows[repeats] for i, rows, repeats in zip(chosen, admitted, found, strict=True) if repeats.any()}
    if not where:
        return
    batch_of = np.repeat(list(where), [len(positions) for positions in where.values()])
    position_of = np.concatenate(list(where.values()))
    columns = [[_chosen_text(column, where[i]) for column in batches[i].identities()] for i in where]
    records, targets = (_codes([texts[number] for texts in columns]) for number in (0, 1))

    rows = np.arange(len(records))
    first = np.empty(records.max() + 1, dtype=np.int64)
    first[records[::-1]] = rows[::-1]  # the last to be written is the first of the record
    kept = first[records]
    result = np.where(kept == rows, Status.ADMITTED, Status.COLLAPSED).astype(np.int8)

    disputed = np.unique(records[targets != targets[kept]])
    members = np.flatnonzero(np.isin(records, disputed))
    members = members[np.argsort(records[members], kind="stable")]
    for sides in np.split(members, np.flatnonzero(np.diff(records[members])) + 1) if len(members) else []:
        right = _newest([(batches[batch_of[row]], int(position_of[row]), int(row)) for row in sides])
        if right is None:
            result[sides] = Status.QUARANTINED
            continue
        result[sides] = Status.COLLAPSED
        result[sides[targets[sides] == targets[right]][0]] = Status.ADMITTED
    ends = np.cumsum([len(positions) for positions in where.values()])
    for i, settled in zip(where, np.split(result, ends[:-1]), strict=True):
        statuses[i][where[i]] = settled


def _repeated(keys: list[Keys]) -> list[npt.NDArray[np.bool_]]:
    """For each array, which of its keys are anywhere else too."""
    rising = np.sort(np.concatenate(keys))
    repeated = np.unique(rising[1:][rising[1:] == rising[:-1]])
    if not len(repeated):
        return [np.zeros(len(some), dtype=np.bool_) for some in keys]
    return [repeated[np.minimum(np.searchsorted(repeated, some), len(repeated) - 1)] == some for some in keys]


def _newest(sides: list[tuple[Candidates, int, int]]) -> int | None:
    """The row whose correction is the newest, of those that were corrected."""
    corrected: list[tuple[tuple[datetime, str, int], int]] = []
    for batch, position, row in sides:
        if age := batch.corrected.get(position):
            at, number = age
            corrected.append(((at, batch.batch, number), row))
    return max(corrected)[1] if corrected else None


def _chosen_text(column: pa.ChunkedArray, positions: Positions) -> pa.ChunkedArray:
    return pc.fill_null(column.take(pa.array(positions)).cast(pa.string()), _NO_TARGET)


def _codes(columns: list[pa.ChunkedArray]) -> npt.NDArray[np.int64]:
    """A number for each distinct text, over all columns one after the other."""
    encoded = pa.concat_arrays([chunk for column in columns for chunk in column.chunks]).dictionary_encode()
    codes: npt.NDArray[np.int64] = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes
