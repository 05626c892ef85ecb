"""Single rows of a batch as a person should see them: those that wait first, each with what is wrong and where."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gristmill.data.batches import read_batch, read_rows
from gristmill.ground.workload import Workload
from gristmill.quality.decisions import Standing, read_decisions
from gristmill.quality.statuses import Status
from gristmill.runs.landed import Tables
from gristmill.runs.quarantine.state import BatchState, States

MOST_ROWS = 200
"""Rows that a page shows; the others are counted."""
_NOT_SHOWN = ("record_id", "split_key", "group", "problems")


class Fault(NamedTuple):
    """One thing that is wrong with a row."""

    reason: str
    columns: tuple[str, ...] = ()
    """Whose cells are at fault."""


class Row(NamedTuple):
    """One row of a batch."""

    position: int
    record_id: str
    status: str
    """As it stands now: `quarantined`, or what a decision made of it; empty where nothing keeps it out."""
    faults: tuple[Fault, ...]
    values: dict[str, Any]
    """By column; the target is the one that it was corrected to, if it was."""


class Rows(NamedTuple):
    """What a page shows of a batch."""

    shown: list[Row]
    n_rows: int
    """How many there are of which these are the first."""
    are_waiting: bool
    """Whether they are those that wait; where none does, they are the batch's first."""


def rows_to_show(states: States, workload: Workload, state: BatchState) -> Rows:
    """The rows of a batch that wait, at most MOST_ROWS; where none waits, its first.

    Raises:
        CacheMissError: the cache lacks its table, or its bytes.
        CorruptBatchError: its table is damaged.
        SettingsError: it has not been judged, and params/<w>.yaml does not say how to read it.
    """
    tables = Tables(workload, states.landing, states.turn)
    ids = tables.read(state.batch, ["record_id"]).rows.column("record_id")
    now = read_decisions(list(state.decisions.values()), ids)
    judged = state.n_rows is not None
    faults = _judged_faults(states, state.batch) if judged else _unread(tables.whole(state.batch).rows)
    status = now.kept_out.copy()
    if judged:
        taken_in = [decision for name, decision in state.decisions.items() if name not in state.since]
        quarantined = _quarantined(states, state.batch, read_decisions(taken_in, ids), list(faults))
        free = (status == Status.ADMITTED) & ~(now.released & ~read_decisions(taken_in, ids).released)
        status[quarantined & free] = Status.QUARANTINED

    waiting = np.flatnonzero(status != Status.ADMITTED)
    named = np.isin(waiting, list(faults))
    chosen = np.concatenate([waiting[named], waiting[~named]]) if len(waiting) else np.arange(len(ids))
    shown = chosen[:MOST_ROWS]
    if judged:
        rising = np.sort(shown)
        values = read_rows(states.turn.table(state.batch), rising).rows.take(pa.array(np.searchsorted(rising, shown)))
    else:
        values = tables.whole(state.batch).rows.take(pa.array(shown))
    payload = values.select([name for name in values.column_names if name not in _NOT_SHOWN]).to_pylist()
    rows = [
        Row(
            position=position,
            record_id=ids[position].as_py(),
            status="" if status[position] == Status.ADMITTED else Status(int(status[position])).name.lower(),
            faults=faults.get(position, ()),
            values={**cells, "target": now.corrections[position].target} if position in now.corrections else cells,
        )
        for position, cells in zip(shown.tolist(), payload, strict=True)
    ]
    return Rows(rows, len(chosen), bool(len(waiting)))


def _judged_faults(states: States, batch: str) -> dict[int, tuple[Fault, ...]]:
    """What the last turn found in single rows, by position."""
    path = states.turn.row_reasons(batch)
    if path is None:
        return {}
    table = read_batch(path).rows
    # by place, not by name: a table may have columns of its own that are called so
    told, blamed, position = (table.column(i).to_pylist() for i in range(table.num_columns - 3, table.num_columns))
    return {
        where: tuple(Fault(reason, tuple(columns)) for reason, columns in zip(reasons, of_each, strict=True))
        for where, reasons, of_each in zip(position, told, blamed, strict=True)
    }


def _unread(rows: pa.Table) -> dict[int, tuple[Fault, ...]]:
    """What could not be read of rows that no turn has judged, by position."""
    told = rows.column("problems").to_pylist()
    return {position: tuple(map(Fault, problems)) for position, problems in enumerate(told) if problems}


def _quarantined(states: States, batch: str, standing: Standing, named: list[int]) -> npt.NDArray[np.bool_]:
    """The rows that the last turn quarantined, by the decisions that it took in."""
    if states.turn.is_whole(batch):
        found: npt.NDArray[np.bool_] = (standing.kept_out == Status.ADMITTED) & ~standing.released
    else:
        found = np.zeros(len(standing.kept_out), np.bool_)
    found[named] = True
    return found
