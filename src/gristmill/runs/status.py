"""Every workload on one screen."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gristmill.adapters.dvc import read_lock
from gristmill.registry.promotion import read_production
from gristmill.registry.tables import age, cut, empty_table
from gristmill.registry.versions import read_versions
from gristmill.runs.landing import landing_md5
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import kept_failures

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


def read_status(repository: Repository) -> list[WorkloadStatus]:
    """The state of every workload of params.yaml."""
    return [_status(repository, workload.name, workload.kind) for workload in repository.workloads()]


def status_table(statuses: list[WorkloadStatus], width: int | None = None) -> "Table":
    """The screen; without a width, one plain line for each workload."""
    table, short = empty_table(width), width is not None
    table.show_lines = short
    notes = {status.workload: _notes(status) for status in statuses}
    for heading in ("workload", "in production", "last verdict", "data"):
        table.add_column(heading)
    if any(notes.values()):
        table.add_column("notes")
    between = "\n" if short else " "
    for status in statuses:
        champion = f"{status.champion}{between}{age(status.made)}" if status.champion and status.made else "nothing yet"
        data = {
            "none": f"none: `gristmill land {status.workload}`",
            "waiting": f"waiting: `gristmill run {status.workload}`",
            "in": "all milled",
        }[status.data]
        verdict = cut(status.verdict or "no run yet", None if width is None else width // 2 - 8, n_lines=3)
        row = [f"{status.workload}{between}({status.kind})", champion, verdict, data]
        table.add_row(*row, *(["; ".join(notes[status.workload])] if any(notes.values()) else []))
    return table


def _notes(status: WorkloadStatus) -> list[str]:
    notes = []
    if status.frozen:
        notes.append(f"frozen: {status.frozen}; `gristmill resume {status.workload}` thaws it")
    if status.failed:
        notes.append(f"the last turn failed; its tree is {status.failed}")
    return notes


def _status(repository: Repository, name: str, kind: str) -> WorkloadStatus:
    mill = repository.mill
    production = read_production(mill, name)
    landing = mill.read(f"data/{name}/landing.dvc")
    gate = mill.read(f"reports/{name}/gate.json")
    made = None
    champion = production.champion.version if production else None
    for version in read_versions(repository.git, name):
        if version.version == champion:
            made = datetime.fromisoformat(version.tagged)
    failures = kept_failures(repository, name)
    verdict = json.loads(gate) if gate else None
    return WorkloadStatus(
        workload=name,
        kind=kind,
        champion=champion,
        made=made.astimezone(UTC) if made else None,
        verdict=f"{verdict['verdict']}: {verdict['sentence']}" if verdict else None,
        data="none" if landing is None else "in" if landing_md5(landing) == _milled(repository, name) else "waiting",
        frozen=f"{production.frozen['reason']} ({production.frozen['at']})"
        if production and production.frozen
        else None,
        failed=str(failures[-1].relative_to(repository.root)) if failures else None,
    )


def _milled(repository: Repository, name: str) -> str | None:
    stage = read_lock(repository.mill.read("dvc.lock")).get(f"ingest@{name}", {})
    return next((dep["md5"] for dep in stage.get("deps", []) if dep["path"] == f"data/{name}/landing"), None)
