"""The registry as a person sees it in a terminal, or reads it through a pipe.

In a terminal a table fits its width, and long sentences are cut. `width=None` is for a pipe: one line for each entry,
nothing cut, no frame, so that grep and awk have something to hold on to.
"""

import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gristmill.registry.history import Event
from gristmill.registry.promotion import Production
from gristmill.registry.versions import Version

if TYPE_CHECKING:
    from rich.table import Table

_DECIDED = {"release": "released", "drop": "dropped", "revert": "taken out", "correct": "corrected"}
_ROOM_FOR_NAMES = 120
"""Columns of a terminal from which on the history says who did it; below, the reasons need the room."""


def versions_table(versions: list[Version], production: Production | None, width: int | None = None) -> "Table":
    """Versions, newest first, with their figures and where they stand."""
    table = empty_table(width)
    for heading in ("version", "made", "verdict", "on the holdout", "state", "model", "code"):
        table.add_column(heading, no_wrap=heading != "on the holdout")
    for version in sorted(versions, key=lambda v: v.numbers, reverse=True):
        figures = version.metrics.get("holdout", {})
        shown = [f"{key} {value:.4g}" for key, value in figures.items() if key != "n"][:3]
        table.add_row(
            version.version,
            age(datetime.fromisoformat(version.tagged)),
            version.verdict,
            ", ".join([*shown, f"n {figures.get('n', 0)}"]),
            _state(version, production),
            version.model_sha256[:8],
            version.code[:8],
        )
    return table


def history_table(events: list[Event], width: int | None = None, now: datetime | None = None) -> "Table":
    """Events, newest first; the commit is one of `mill`, where `git show` says everything."""
    table = empty_table(width)
    headings = ["when", "workload", "what", "version", "commit", "who", "why"]
    rows = [_history_row(event, width, now or datetime.now(UTC)) for event in events]
    if width is not None and width < _ROOM_FOR_NAMES:
        headings.remove("who")
        rows = [(*row[:5], row[6]) for row in rows]
    for heading in headings:
        table.add_column(heading, no_wrap=heading != "why", min_width=16 if heading == "why" else None)
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for *row, why in rows:
        table.add_row(*row, cut(why, None if width is None else width - sum(widths[:-1]) - 2 * len(headings)))
    return table


def event_line(event: Event) -> str:
    """An event in one line, without its time."""
    _, workload, what, version, _, _, why = _history_row(event, None, datetime.now(UTC))
    return f"{workload}: {' '.join(word for word in (what, version) if word != '-')}: {why}"


def empty_table(width: int | None) -> "Table":
    """A table with a frame for a terminal, a plain one for a pipe."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD if width else None, pad_edge=False, padding=(0, 1, 0, 0))


def cut(sentence: str, width: int | None, n_lines: int = 2) -> str:
    """A sentence in at most so many lines of a terminal; whole where there is no width."""
    if width is None:
        return sentence
    return "\n".join(textwrap.wrap(sentence, max(width, 16), max_lines=n_lines, placeholder=" ..."))


def age(moment: datetime | None) -> str:
    """How long ago, in the largest unit that says something."""
    if moment is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def _history_row(event: Event, width: int | None, now: datetime) -> tuple[str, ...]:
    told = event.trailers
    workload, version, actor = told.get("Workload", ""), told.get("Version", ""), told.get("Actor", "")
    verb, _, rest = event.subject.partition(f" {workload}" if workload else ":")
    rest = rest.strip(": ")
    why = told.get("Reason", "")
    match verb:
        case "run":
            what = f"run: {rest}"
        case "rollback":  # "v1.0.1 to v1.0.0"; the version column holds the second, which is in production now
            what, why = "rolled back", f"{rest.partition(' to ')[0]} was wrong: {why}"
        case "promote":
            what = "promoted"
        case "land":
            what, why = "landed", f"{rest} ({told.get('Role', 'train')}, batch {told.get('Batch', '')})"
        case "release" | "drop" | "revert" | "correct":
            n_rows = told.get("Rows")
            what, about = _DECIDED[verb], f"{n_rows} {'row' if n_rows == '1' else 'rows'} of {rest}" if n_rows else rest
            why = f"{about}: {why}"
        case "resume":
            what, why = "resumed", why or "automatic promotion is on again"
        case _:
            what = event.subject
    if what == "run: Unchanged":
        version = ""
    at, commit = datetime.fromisoformat(event.at).astimezone(), event.commit[:8]
    if width is None:
        return at.isoformat(timespec="seconds"), *(
            cell or "-" for cell in (workload, what, version, commit, actor, why)
        )
    when = at.strftime("%m-%d %H:%M" if at.year == now.astimezone().year else "%Y-%m-%d")
    return when, workload, what, version, commit, actor if len(actor) <= 16 else f"{actor[:13]}...", why


def _state(version: Version, production: Production | None) -> str:
    if production is None:
        return ""
    states = []
    if production.champion.version == version.version:
        states.append("champion")
    if production.best.version == version.version:
        states.append("best")
    if production.barred.holds_package(version.model_sha256, version.serving_sha256):
        states.append("barred")
    return ", ".join(states)
