"""Room on the disk: whether a batch fits, and whether turns like the last ones will soon fill it.

What a turn adds is read from what was recorded: the objects that its dvc.lock names and the one before it did not.
"""

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from gristmill.adapters.objects import object_path, read_list
from gristmill.registry.named import Output, in_file, members
from gristmill.runs.repository import Repository
from gristmill.runs.schedules import read_schedule
from gristmill.runs.up import read_up

_WEEK = timedelta(days=7)
_LAST = 5
"""Turns of each workload that say what the next ones will add."""


@dataclass(frozen=True)
class Growth:
    """How one workload fills the disk."""

    bytes_per_turn: float
    turns_per_day: float


def room_warning(repository: Repository, now: datetime, free: int | None = None) -> str | None:
    """A sentence where turns like the last ones would fill the disk of DVC's cache within a week.

    Args:
        repository: whose.
        now: the present moment.
        free: bytes; as the disk says unless told.
    """
    if repository.mill.tip() is None or not repository.cache.exists():
        return None
    free = shutil.disk_usage(repository.cache).free if free is None else free
    growth = [_growth(repository, workload.name, now) for workload in repository.workloads()]
    per_day = sum(one.bytes_per_turn * one.turns_per_day for one in growth)
    if per_day * _WEEK.days <= free:
        return None
    from rich.filesize import decimal

    n_turns = sum(one.turns_per_day for one in growth)
    full = now + timedelta(days=free / per_day)
    return (
        f"the disk of DVC's cache ({repository.cache}) will be full by {full:%Y-%m-%d}: {decimal(free)} are free, and "
        f"turns like the last ones add {decimal(int(per_day / n_turns))} each, {n_turns:.3g} a day. "
        "`gristmill gc` says what may go."
    )


def missing_room(repository: Repository, n_bytes: int) -> tuple[int, int] | None:
    """Bytes that a batch needs and that are free, where these are too few; None where it fits.

    It is copied once, for what is being dropped may change; DVC links the copy into its cache, or copies it again where
    that lies on another disk (a batch of 419 MB took 420 MB at its peak).
    """
    needs = n_bytes + n_bytes // 20
    for place in (repository.state, repository.cache):
        there = next(path for path in (place, *place.parents) if path.exists())
        free = shutil.disk_usage(there).free
        if free < needs:
            return needs, free
    return None


def _growth(repository: Repository, workload: str, now: datetime) -> Growth:
    tip = repository.mill.tip()
    assert tip is not None
    entries = [entry.split() for entry in repository.git.log(tip, "%ct %H", f"reports/{workload}")]
    if not entries:
        return Growth(0, 0)
    states = [_objects(repository, workload, commit) for _, commit in entries[: _LAST + 1]]
    before = [*states[1:], {}] if len(entries) <= _LAST else states[1:]
    added = [
        sum(size for md5, size in after.items() if md5 not in past) for after, past in zip(states, before, strict=False)
    ]
    recent = sum(now.timestamp() - int(at) < _WEEK.total_seconds() for at, _ in entries)
    return Growth(sum(added) / len(added), max(recent / _WEEK.days, _planned_per_day(repository, workload, now)))


def _objects(repository: Repository, workload: str, commit: str) -> dict[str, int]:
    """The objects that a workload's data and last turn have at a commit of the branch, with their sizes in bytes."""
    named: list[Output] = []
    for name in (f"data/{workload}/landing.dvc", "dvc.lock"):
        named += in_file(name, repository.mill.read(name, commit) or b"")
    sizes = {}
    for output in named:
        if output.workload == workload and not output.in_git:
            for md5, _ in members(output, partial(read_list, repository.cache)):
                path = object_path(repository.cache, md5)
                sizes[md5] = path.stat().st_size if path.is_file() else 0
    return sizes


def _planned_per_day(repository: Repository, workload: str, now: datetime) -> float:
    """How often the schedule turns the mill, while `gristmill up` keeps it."""
    if read_up(repository) is None:
        return 0
    schedule, at, n_turns = read_schedule(repository.workload(workload)), now, 0
    while (following := schedule.next_time(at)) and following < now + _WEEK:
        at, n_turns = following, n_turns + 1
    return n_turns / _WEEK.days
