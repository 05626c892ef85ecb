"""Every workload on one screen."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gristmill.ground.workload import Workload
from gristmill.registry.promotion import read_production
from gristmill.registry.tables import age, cut, empty_table
from gristmill.registry.versions import read_versions
from gristmill.runs.dropped import entries, objection
from gristmill.runs.inbox import inbox_notes
from gristmill.runs.polling import source_notes
from gristmill.runs.progress import Progress, read_progress
from gristmill.runs.repository import Repository
from gristmill.runs.room import room_warning
from gristmill.runs.schedules import read_schedule
from gristmill.runs.sourcing import right_sentences
from gristmill.runs.up import Up, read_up
from gristmill.runs.waiting import data_waiting
from gristmill.runs.workspace import fault, kept_failures

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class WorkloadStatus:
    """One line of the screen."""

    workload: str
    kind: str
    champion: str | None
    """The version in production."""
    made: datetime | None
    """When that version was made."""
    verdict: str | None
    """Of the last run, with its sentence."""
    data: str
    """`none`, `waiting` (landed since the last run) or `in`."""
    frozen: str | None
    """Why automatic promotion is off."""
    failed: str | None
    """The worktree of a failed turn, if one was kept; from the repository's root."""
    fault: str = ""
    """Why that turn failed."""
    running: Progress | None = None
    """Where its turn stands, if one is going on."""
    n_inbox: int = 0
    """Files and folders in its inbox that have not landed."""
    next_turn: datetime | None = None
    """By its schedule; None where nothing is up to keep it."""
    service: str | None = None
    """Address of the service that `gristmill up` keeps."""


def read_status(repository: Repository) -> list[WorkloadStatus]:
    """The state of every workload of params.yaml."""
    up, waiting, tip = read_up(repository), data_waiting(repository), repository.mill.tip()
    dropped = Counter(entry.workload for entry in entries(repository))
    return [
        _status(repository, workload, tip, up, workload.name in waiting, dropped[workload.name])
        for workload in repository.workloads()
    ]


def status_table(statuses: list[WorkloadStatus], width: int | None = None) -> "Table":
    """The screen; without a width, one plain line for each workload."""
    table, short = empty_table(width), width is not None
    table.show_lines = short
    notes = {status.workload: _notes(status) for status in statuses}
    for heading in ("workload", "in production", "now", "last verdict", "data"):
        table.add_column(heading)
    if any(notes.values()):
        table.add_column("notes")
    between = "\n" if short else " "
    for status in statuses:
        champion = f"{status.champion}{between}{age(status.made)}" if status.champion and status.made else "nothing yet"
        verdict = cut(status.verdict or "no run yet", None if width is None else max(16, width // 2 - 20), n_lines=3)
        row = [
            f"{status.workload}{between}({status.kind})",
            champion,
            _now(status, between),
            verdict,
            _data(status, between),
        ]
        table.add_row(*row, *(["; ".join(notes[status.workload])] if any(notes.values()) else []))
    return table


def where(repository: Repository) -> list[str]:
    """What stands under the screen: where things answer, and what waits in an inbox with its reason."""
    up = read_up(repository)
    links = [f"{name}: {url}" for name, url in (up.services.items() if up else ())]
    lines = [f"up since {up.since}, process {up.pid}", f"Prefect: {up.prefect}", *links] if up else []
    objections = [told for entry in entries(repository) if (told := objection(repository, entry))]
    waiting = [*objections, *inbox_notes(repository), *source_notes(repository), *right_sentences(repository)]
    warning = room_warning(repository, datetime.now(UTC))
    return [*lines, *dict.fromkeys([*waiting, *filter(None, [warning])])]


def _now(status: WorkloadStatus, between: str) -> str:
    if status.running:
        return f"{status.running.stage}{between}{status.running.seconds} s"
    if status.next_turn:
        return f"next turn{between}{status.next_turn.astimezone():%a %H:%M}"
    return ""


def _data(status: WorkloadStatus, between: str) -> str:
    by_hand = status.next_turn is None and status.service is None
    if status.data == "none":
        told = f"none: `gristmill land {status.workload}`"
    elif status.data == "waiting":
        told = f"waiting: `gristmill run {status.workload}`" if by_hand else "waiting"
    else:
        told = "all milled"
    return f"{told}{between}{status.n_inbox} in the inbox" if status.n_inbox else told


def _notes(status: WorkloadStatus) -> list[str]:
    notes = []
    if status.frozen:
        notes.append(f"frozen: {status.frozen}; `gristmill resume {status.workload}` thaws it")
    if status.failed:
        notes.append(f"the last turn failed{f': {status.fault}' if status.fault else ''}; its tree is {status.failed}")
    return notes


def _status(
    repository: Repository, workload: Workload, tip: str | None, up: Up | None, is_waiting: bool, n_inbox: int
) -> WorkloadStatus:
    mill, name = repository.mill, workload.name
    production = read_production(mill, name, tip)
    landing = mill.read(f"data/{name}/landing.dvc", tip)
    gate = mill.read(f"reports/{name}/gate.json", tip)
    made = None
    champion = production.champion.version if production else None
    for version in read_versions(repository.git, name):
        if version.version == champion:
            made = datetime.fromisoformat(version.tagged)
    failures = kept_failures(repository, name)
    verdict = json.loads(gate) if gate else None
    return WorkloadStatus(
        workload=name,
        kind=workload.kind,
        champion=champion,
        made=made.astimezone(UTC) if made else None,
        verdict=f"{verdict['verdict']}: {verdict['sentence']}" if verdict else None,
        data="none" if landing is None else "waiting" if is_waiting else "in",
        frozen=f"{production.frozen['reason']} ({production.frozen['at']})"
        if production and production.frozen
        else None,
        failed=str(failures[-1].relative_to(repository.root)) if failures else None,
        fault=fault(failures[-1]) if failures else "",
        running=read_progress(repository, name),
        n_inbox=n_inbox,
        next_turn=read_schedule(workload).next_time(datetime.now(UTC)) if up else None,
        service=up.services.get(name) if up else None,
    )
