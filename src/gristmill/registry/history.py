"""History: what happened on `mill`, read from its commits and their trailers."""

from dataclasses import dataclass

from gristmill.registry.mill import Mill

_TRAILERS = ("Workload", "Actor", "Reason", "Verdict", "Outcome", "Version", "Code", "Base", "Batch", "Role", "Rows")


@dataclass(frozen=True)
class Event:
    """One commit of the branch."""

    commit: str
    at: str
    """ISO 8601."""
    subject: str
    trailers: dict[str, str]


def read_history(mill: Mill, workload: str | None = None) -> list[Event]:
    """Events of one workload, or of all, newest first."""
    tip = mill.tip()
    if tip is None:
        return []
    fields = ["%H", "%cI", "%s", *(f"%(trailers:key={key},valueonly,separator=%x20)" for key in _TRAILERS)]
    events = []
    for entry in mill.git.log(tip, "%x01".join(fields)):
        commit, at, subject, *values = entry.split("\x01")
        trailers = {key: value.strip() for key, value in zip(_TRAILERS, values, strict=True) if value.strip()}
        if workload is None or trailers.get("Workload") == workload:
            events.append(Event(commit, at, subject, trailers))
    return events
