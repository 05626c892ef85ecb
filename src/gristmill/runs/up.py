"""That `gristmill up` is running, since when and where: known to every other verb, and true even after a crash.

The lock is the truth, for the kernel frees it; the file beside it only says more.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json, write_json
from gristmill.ground.locks import first_free, is_owned
from gristmill.runs.repository import Repository

_LONGEST_END_S = 60


class AlreadyUpError(GristmillError):
    """`gristmill up` was typed twice."""

    def __str__(self) -> str:
        (up,) = self.args
        where = f" Prefect: {up.prefect}." if up and up.prefect else ""
        pid = f", process {up.pid}, since {up.since}" if up else ""
        return f"it is up already{pid}.{where} `gristmill status` shows it, `gristmill down` ends it."


class NotUpError(GristmillError):
    """Nothing is there to be ended."""

    def __str__(self) -> str:
        return "nothing is up in this repository: `gristmill up` starts it."


@dataclass(frozen=True)
class Up:
    """What is running."""

    pid: int
    """Of the process whose end ends everything."""
    since: str
    """UTC, ISO 8601."""
    prefect: str = ""
    """Address of Prefect's pages; empty while it starts."""
    services: dict[str, str] = field(default_factory=dict)
    """Workload to the address of its service."""


class Standing:
    """The note that others read, kept by whoever is up."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.up = Up(os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"))
        write_json(path, asdict(self.up))

    def note(self, prefect: str | None = None, services: dict[str, str] | None = None) -> None:
        """Say where something answers."""
        up = replace(
            self.up,
            prefect=self.up.prefect if prefect is None else prefect,
            services=self.up.services if services is None else dict(services),
        )
        if up != self.up:
            self.up = up
            write_json(self._path, asdict(up))


def read_up(repository: Repository) -> Up | None:
    """What is up in this repository, if anything is."""
    if not is_owned(_lock(repository)):
        return None
    try:
        return Up(**read_json(_file(repository)))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def standing_up(repository: Repository) -> Iterator[Standing]:
    """Be the one that is up.

    Raises:
        AlreadyUpError: another process is.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(first_free([_lock(repository)]))
        except RuntimeError as error:  # nothing was free
            raise AlreadyUpError(read_up(repository)) from error
        try:
            yield Standing(_file(repository))
        finally:
            _file(repository).unlink(missing_ok=True)


def ask_down(repository: Repository) -> Up:
    """End what is up, in order, and wait until it has ended.

    Raises:
        NotUpError: nothing is.
        GristmillError: it did not end within a minute.
    """
    up = read_up(repository)
    if up is None:
        raise NotUpError
    os.kill(up.pid, signal.SIGTERM)
    deadline = time.monotonic() + _LONGEST_END_S
    while is_owned(_lock(repository)):
        if time.monotonic() > deadline:
            raise GristmillError(
                f"process {up.pid} was asked to end {_LONGEST_END_S} s ago and has not; `kill -9 {up.pid}` does."
            )
        time.sleep(0.1)
    return up


def _lock(repository: Repository) -> Path:
    return repository.state / "locks" / "up.lock"


def _file(repository: Repository) -> Path:
    return repository.state / "up.json"
