"""The quarantine in words: lines and tables for a terminal, and what can be typed next."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from gristmill.data.manifest import Decision
from gristmill.registry.tables import age, cut, empty_table
from gristmill.runs.deciding import Decided
from gristmill.runs.quarantine.rows import Row, Rows
from gristmill.runs.quarantine.state import WAITING, BatchState

if TYPE_CHECKING:
    from rich.table import Table

DONE = {
    "release": "released",
    "drop": "dropped",
    "revert": "taken out",
    "withhold": "withheld",
    "correct": "corrected",
    "check": "looked at",
}
MASKED = "•••"
"""In the place of what tells of a person."""
_REASONS = 2
_TERMINAL_ROWS = 10


def waiting_table(states: list[BatchState], width: int | None = None) -> "Table":
    """What waits, newest first; without a width one plain line for each batch."""
    table = empty_table(width)
    headings = ("batch", "landed", "role", "status", "rows", "why")
    cells = [
        (state.batch, _when(state, width), state.manifest.role, state.status, counts(state), why(state))
        for state in states
    ]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    room = None if width is None else width - sum(widths[:-1]) - 2 * len(headings)
    for heading in headings:
        table.add_column(heading, no_wrap=heading != "why", min_width=16 if heading == "why" else None)
    for *others, reasons in cells:
        table.add_row(*others, cut(reasons, room, n_lines=4))
    return table


def _when(state: BatchState, width: int | None) -> str:
    if state.landed is None:
        return "-"
    return state.landed if width is None else age(datetime.fromisoformat(state.landed))


def counts(state: BatchState) -> str:
    """How many rows wait, of how many."""
    if state.n_rows is None:
        return "-"
    waiting = [f"{n:,} {status}" for status, n in state.rows.items() if status in WAITING]
    return f"{', '.join(waiting) or '0'} of {state.n_rows:,}"


def why(state: BatchState) -> str:
    """The first reasons, and what happened since."""
    if state.fault:
        return f"the turn that would have judged it failed: {state.fault}"
    by_rows = sorted(state.reasons, key=lambda line: -line["n_rows"])  # what is about the whole batch comes first
    critical = [line["reason"] for line in by_rows if line["severity"] == "critical"]
    decided = [line["reason"] for line in state.reasons if line["severity"] == "info"] if not critical else []
    told = [*critical, *decided]
    more = [f"and {len(told) - _REASONS} more"] if len(told) > _REASONS else []
    since = [f"since then {decided_by(state.decisions[name])}" for name in state.since]
    if state.n_rows is None and not since:
        return "the next turn judges it"
    return "; ".join([*told[:_REASONS], *more, *since])


def decided_by(decision: Decision) -> str:
    """A decision in a few words."""
    n_rows = len(decision.rows or decision.targets or ())
    rows = f" ({n_rows:,} {'row' if n_rows == 1 else 'rows'})" if n_rows else ""
    return f"{DONE[decision.decision]}{rows} by {decision.actor}: {decision.reason}"


def batch_lines(state: BatchState) -> Iterable[str]:
    """All that is known of a batch but its rows."""
    manifest = state.manifest
    yield f"batch {state.batch} of {state.workload} ({manifest.role}): {state.status}; {counts(state)}"
    parts = ", ".join(f"{part.name} ({part.size:,} bytes)" for part in manifest.parts[:3])
    more = f" and {len(manifest.parts) - 3:,} more" if len(manifest.parts) > 3 else ""
    yield f"landed {state.landed or 'at an unknown time'}: {parts}{more}"
    if state.fault:
        yield f"  error: {state.fault}"
    for line in state.reasons:
        yield f"  {line['severity']}: {line['reason']}"
    for name, decision in state.decisions.items():
        at = f"{decision.at.astimezone():%Y-%m-%d %H:%M}"
        yield f"  {name}: {decided_by(decision)} ({at}{', not taken in yet' if name in state.since else ''})"
        for warning in decision.finding.warnings if decision.finding else ():
            yield f"    found: {warning}"


def row_lines(rows: Rows, *, hides_ids: bool) -> Iterable[str]:
    """The first rows, with what is wrong with them; their values stand on the page."""
    if rows.are_waiting:
        for row in rows.shown[:_TERMINAL_ROWS]:
            name = MASKED if hides_ids else row.record_id
            yield f"  row {row.position + 1:<6} {name}  {told_of(row)}"
        if rows.n_rows > _TERMINAL_ROWS:
            yield f"  ... and {rows.n_rows - _TERMINAL_ROWS:,} more rows that wait"


def told_of(row: Row) -> str:
    """Why a row waits."""
    faults = "; ".join(fault.reason for fault in row.faults)
    return faults if row.status == "quarantined" and faults else "; ".join(filter(None, [row.status, faults]))


def decided_lines(decision: str, workload: str, decided: Decided) -> Iterable[str]:
    """What a decision did, and when it takes effect."""
    batches = f"batch {decided.batches[0]}" if len(decided.batches) == 1 else f"{len(decided.batches):,} batches"
    rows = "" if decided.n_rows is None else f"{decided.n_rows:,} {'row' if decided.n_rows == 1 else 'rows'} of "
    yield f"{workload}: {rows}{batches} {DONE[decision]}"
    yield from decided.notes
    yield f"the next turn takes it in: `gristmill run {workload}`"


def next_steps(state: BatchState) -> list[tuple[str, str]]:
    """What can be typed next, and what it does."""
    name, batch = state.workload, f"{state.workload} {state.batch}"
    run = (f"gristmill run {name}", "judges it, and takes in what was decided")
    release = f'gristmill quarantine release {batch} --reason "..."'
    drop = (f'gristmill quarantine drop {batch} --reason "..."', "never admit it; --row ID for single rows")
    if state.status == "error":
        return [run]
    if state.status == "unjudged":
        return [run, drop]
    steps = []
    if state.rows.get("quarantined"):
        steps += [
            (release, "admit it in spite of the reasons; --row ID for single rows"),
            (f'gristmill data correct {name} corrections.csv --reason "..."', "give rows their right target"),
        ]
    elif any(state.rows.get(status) for status in WAITING):
        steps.append((release, "let it in again; --row ID for single rows"))
    if state.rows.get("quarantined"):
        steps.append(drop)
    if state.rows.get("admitted"):
        steps.append((f'gristmill data revert {batch} --reason "..."', "take out what is in"))
    return [*steps, run] if state.since else steps
