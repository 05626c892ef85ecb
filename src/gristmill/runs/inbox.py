"""The inbox: what is dropped into data/<w>/inbox/ lands by itself, once, and only when it is whole.

An entry is a file, or a folder whose files are the parts of one batch. It is taken when neither its size nor its time has
changed for two seconds, so whoever writes slowly should write under a temporary name (a leading dot, .part, .tmp) and
rename. It leaves the inbox only after its landing is committed: a kill at any moment lands it again, which is the same
batch and makes no second commit.
"""

import contextlib
import importlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import file_sha256, read_json, write_json
from gristmill.ground.workload import find_workload
from gristmill.runs.landing import land
from gristmill.runs.repository import Repository
from gristmill.runs.waiting import data_waiting
from gristmill.runs.workspace import workloads_at

if TYPE_CHECKING:
    from gristmill.kinds.contract import Records

SETTLED_S = 2.0
"""Without a change for so long, an entry is whole."""
GATHERED_S = 3.0
"""From the first change until a turn is asked for, so that files that come together make one turn."""
_TICK_MS = 300
_RETRY_S = 30.0
_TEMPORARY = (".part", ".tmp", ".crdownload", ".filepart", ".swp", "~")
_LEAVING = ".landed"
"""Folder within an inbox through which an entry leaves it; what is found there had landed, or lands."""
_MANIFEST = "manifest.json"

Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Entry:
    """Something in an inbox."""

    workload: str
    path: Path

    @property
    def files(self) -> list[Path]:
        """Its files, a sender's manifest included."""
        return sorted(p for p in self.path.rglob("*") if p.is_file()) if self.path.is_dir() else [self.path]

    @property
    def parts(self) -> list[Path]:
        """The files that land."""
        return [path for path in self.files if not self.path.is_dir() or path.name != _MANIFEST]

    def fingerprint(self) -> Fingerprint:
        """Changes whenever anybody writes to it."""
        return tuple((str(p), stat.st_size, stat.st_mtime_ns) for p in self.files for stat in (p.stat(),))


def entries(repository: Repository) -> list[Entry]:
    """What lies in all inboxes, temporary names left out; also in those of workloads that nobody knows."""
    found = []
    for inbox in sorted((repository.here / "data").glob("*/inbox")):
        paths = [path for path in inbox.iterdir() if not _is_temporary(path.name)] if os.access(inbox, os.R_OK) else []
        left = (inbox / _LEAVING).glob("*/*") if (inbox / _LEAVING).is_dir() else []
        found += [Entry(inbox.parent.name, path) for path in (*sorted(paths), *sorted(left))]
    return found


def objection(repository: Repository, entry: Entry) -> str | None:
    """Why an entry cannot land as it is, in a sentence; None when nothing is known to speak against it."""
    where = entry.path.relative_to(repository.here)
    known = [workload.name for workload in repository.workloads()]
    if entry.workload not in known:
        return f"{where} waits: params.yaml knows no workload '{entry.workload}'"
    if entry.workload not in workloads_at(repository, repository.git.commit_of("HEAD")):
        return (
            f"{where} waits: the workload '{entry.workload}' is not committed yet, and a run takes the code of a commit"
        )
    if unreadable := [path for path in entry.files if not os.access(path, os.R_OK)]:
        return (
            f"{unreadable[0].relative_to(repository.here)} cannot be read: give this user the right to, or take it out"
        )
    if not entry.parts:
        return f"{where} waits: the folder is empty"
    if entry.path.is_dir() and (entry.path / _MANIFEST).is_file():
        return _manifest_objection(where, entry)
    kind = find_workload(repository.here, entry.workload).kind
    records: Records = importlib.import_module(f"gristmill.kinds.{kind}.records")
    if missing := records.missing_part(entry.parts):
        return f"{where} waits: it {missing}, which belong together; put all parts of a batch into one folder"
    return None


def watch(
    repository: Repository, ask: Callable[[str, str], None], say: Callable[[str], None], stop: threading.Event
) -> None:
    """Land what is dropped, and ask for a turn wherever data is waiting, until told to stop.

    Asking is by level, not by edge: as long as data is waiting, `ask(workload, data version)` is called again every few
    seconds, so nothing depends on an event that a crash could swallow. Whoever is asked makes one turn of many calls.

    Args:
        repository: whose inboxes.
        ask: asked for a turn.
        say: told what happens, a line each.
        stop: ends the watch.
    """
    for workload in repository.workloads():
        workload.inbox.mkdir(parents=True, exist_ok=True)
    settling = _Settling(repository, say)
    asked_at = 0.0
    for _ in _ticks(repository, stop):
        now = time.monotonic()
        settling.look(now)
        if settling.is_gathering(now) or now - asked_at < 1:
            continue
        asked_at = now
        for name, version in data_waiting(repository).items():
            ask(name, version)


class _Settling:
    """Which entries have come to rest, and what became of those that could not land."""

    def __init__(self, repository: Repository, say: Callable[[str], None]) -> None:
        self._repository, self._say = repository, say
        self._seen: dict[Entry, tuple[Fingerprint, float, float]] = {}  # as it was, since when, first seen
        self._failed: dict[Entry, tuple[Fingerprint, float]] = {}
        self._told: dict[Entry, str] = {}
        self._gathering_until = 0.0
        self._unsettled = False

    def is_gathering(self, now: float) -> bool:
        """Whether more is likely to come."""
        return self._unsettled or now < self._gathering_until

    def look(self, now: float) -> None:
        """Notice what is new, and land what has settled."""
        self._unsettled = False
        present = entries(self._repository)
        for gone in self._seen.keys() - set(present):
            self._seen.pop(gone)
        for gone in self._told.keys() - set(present):
            self._told.pop(gone)
            self._failed.pop(gone, None)
        for entry in present:
            try:
                self._look_at(entry, now)
            except FileNotFoundError:
                continue  # taken out while it was looked at
            except (GristmillError, OSError) as error:
                self._tell(entry, str(error))
        notes = {
            str(entry.path.relative_to(self._repository.here)): told
            for entry, told in sorted(self._told.items(), key=str)
        }
        _keep_notes(self._repository, notes)

    def _look_at(self, entry: Entry, now: float) -> None:
        fingerprint = entry.fingerprint()
        before, since, first = self._seen.get(entry, (None, now, now))
        if fingerprint != before:
            was_at_rest = (
                before is None and _age_s(fingerprint) > SETTLED_S
            )  # came before anybody looked, or renamed here
            since = now - SETTLED_S if was_at_rest else now
            if before is None and now >= self._gathering_until:
                self._gathering_until = now + GATHERED_S
        self._seen[entry] = (fingerprint, since, first)
        failed, failed_at = self._failed.get(entry, (None, 0.0))
        if fingerprint == failed and now - failed_at < _RETRY_S:
            return
        if now - since < SETTLED_S and entry.path.parent.parent.name != _LEAVING:
            self._unsettled = True
            return
        self._failed[entry] = (fingerprint, now)
        if told := objection(self._repository, entry):
            self._tell(entry, told)
            return
        started = time.monotonic()
        landed = take(self._repository, entry)
        self._failed.pop(entry, None)
        self._told.pop(entry, None)
        self._say(
            f"{entry.workload}: {entry.path.name} landed as batch {landed} (at rest {started - first:.1f} s after it was "
            f"seen, landed in {time.monotonic() - started:.1f} s)"
        )

    def _tell(self, entry: Entry, sentence: str) -> None:
        if self._told.get(entry) != sentence:
            self._told[entry] = sentence
            self._say(sentence)


def take(repository: Repository, entry: Entry) -> str:
    """Land an entry, and take it out of the inbox once its landing is committed.

    Returns:
        The batch.

    Raises:
        LandingError: it could not land; it stays where it is.
    """
    before = entry.fingerprint()
    landed = land(repository, repository.workload(entry.workload), entry.parts)
    inbox = repository.workload(entry.workload).inbox
    if entry.path.parent.parent.name == _LEAVING:
        leaving = entry.path
    else:
        leaving = inbox / _LEAVING / secrets.token_hex(4) / entry.path.name
        leaving.parent.mkdir(parents=True)
        entry.path.rename(leaving)
    # What was renamed is surely what is removed; a file that took its name since is another one, and lands as such.
    moved = tuple(
        (path.replace(str(leaving), str(entry.path), 1), size, at)
        for path, size, at in Entry(entry.workload, leaving).fingerprint()
    )
    if moved == before:
        shutil.rmtree(leaving.parent)
        with contextlib.suppress(OSError):  # another entry is just leaving
            leaving.parent.parent.rmdir()
    return landed.manifest.batch


def inbox_notes(repository: Repository) -> list[str]:
    """What the watcher last said of entries that wait, a sentence each."""
    try:
        notes: dict[str, str] = read_json(_notes(repository))
    except (OSError, ValueError):
        return []
    return [told for path, told in notes.items() if (repository.here / path).exists()]


def _keep_notes(repository: Repository, notes: dict[str, str]) -> None:
    path = _notes(repository)
    if notes or path.exists():
        before = read_json(path) if path.exists() else {}
        if before != notes:
            write_json(path, notes)


def _notes(repository: Repository) -> Path:
    return repository.state / "inbox.json"


def _age_s(fingerprint: Fingerprint) -> float:
    return time.time() - max((at for *_, at in fingerprint), default=0) / 1e9


def _is_temporary(name: str) -> bool:
    return name.startswith(".") or name.endswith(_TEMPORARY)


def _manifest_objection(where: Path, entry: Entry) -> str | None:
    try:
        parts = read_json(entry.path / _MANIFEST)["parts"]
        wanted = {str(part["name"]): part.get("sha256") for part in parts}
    except (ValueError, KeyError, TypeError, AttributeError):
        return f'{where}/{_MANIFEST} cannot be read; {{"parts": [{{"name": ..., "sha256": ...}}]}} is expected'
    here = {path.name: path for path in entry.parts}
    if missing := sorted(wanted.keys() - here.keys()):
        return f"{where} waits for {', '.join(missing)}, which its manifest names"
    if more := sorted(here.keys() - wanted.keys()):
        return f"{where} waits: its manifest does not name {', '.join(more)}"
    wrong = [name for name, sha256 in wanted.items() if sha256 and file_sha256(here[name]) != sha256]
    return f"{where} waits: {wrong[0]} is not the file whose SHA-256 its manifest names" if wrong else None


def _ticks(repository: Repository, stop: threading.Event) -> Iterator[None]:
    """A few times a second, and at once when something changes in an inbox."""
    from watchfiles import watch as changes

    while not stop.is_set():
        inboxes = sorted((repository.here / "data").glob("*/inbox"))
        for _ in changes(
            *inboxes,
            watch_filter=None,
            debounce=50,
            step=50,
            rust_timeout=_TICK_MS,
            yield_on_timeout=True,
            stop_event=stop,
            raise_interrupt=False,
        ):
            yield
            if sorted((repository.here / "data").glob("*/inbox")) != inboxes:
                break
