"""Which stage of a workload's turn runs, and since when: a note beside its lock, believed only while the lock is held."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from gristmill.ground.files import read_json, write_json
from gristmill.ground.locks import is_owned
from gristmill.runs.repository import Repository


@dataclass(frozen=True)
class Progress:
    """Where a turn stands."""

    stage: str
    since: float
    """Seconds since 1970."""

    @property
    def seconds(self) -> int:
        """How long the stage has been running."""
        return max(0, round(time.time() - self.since))


def note_progress(repository: Repository, workload: str, stage: str) -> None:
    """Say which stage runs from now on."""
    write_json(_file(repository, workload), asdict(Progress(stage, time.time())))


def read_progress(repository: Repository, workload: str) -> Progress | None:
    """Where the turn of a workload stands; None while none is going on."""
    if not is_turning(repository, workload):
        return None
    try:
        return Progress(**read_json(_file(repository, workload)))
    except (OSError, ValueError, TypeError):
        return Progress("beginning", time.time())


def forget_progress(repository: Repository, workload: str) -> None:
    """A turn has ended, or begins."""
    _file(repository, workload).unlink(missing_ok=True)


def is_turning(repository: Repository, workload: str) -> bool:
    """Whether somebody alive turns the mill for this workload."""
    return is_owned(turn_lock(repository, workload))


def turn_lock(repository: Repository, workload: str) -> Path:
    """The lock that a turn holds."""
    return repository.state / "locks" / f"{workload}.lock"


def _file(repository: Repository, workload: str) -> Path:
    return repository.state / "turning" / f"{workload}.json"
