"""The inbox: what is dropped into data/<w>/inbox/ lands by itself, once, and only when it is whole.

An entry is a file, or a folder whose files are the parts of one batch. It is taken when nothing about it has been seen to
change for two seconds, so whoever writes slowly should write under a temporary name (a leading dot, .part, .tmp) and
rename. It leaves the inbox only after its landing is committed: a kill at any moment lands it again, which is the same
batch and makes no second commit.
"""

import contextlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json, write_text
from gristmill.runs.checks import check_lines
from gristmill.runs.dropped import (
    LEAVING,
    Entry,
    Fingerprint,
    entries,
    inboxes,
    is_open,
    objection,
    words_of,
    wrong_part,
)
from gristmill.runs.landing import Landed, land
from gristmill.runs.repository import Repository
from gristmill.runs.voice import Voice
from gristmill.runs.waiting import data_waiting

SETTLED_S = 2.0
"""Without a change for so long, an entry is whole."""
GATHERED_S = 3.0
"""From the first change until a turn is asked for, so that files that come together make one turn."""
LONGEST_GATHERED_S = 10.0
"""The same while more is still being written: a file that never rests must not keep the others from their turn."""
RETRY_S = 30.0
"""Until what could not land is tried again, though nobody has touched it."""
_TICK_MS = 300
_ASK_S = 1.0
_GONE = ".gone"
"""Folder within an inbox of what has landed as it is: a folder half removed must not land as another batch."""


class StuckError(GristmillError):
    """An entry has landed and cannot be taken out of its inbox."""

    def __str__(self) -> str:
        path, batch, why = self.args
        return f"{path} landed as batch {batch} and cannot be taken out of the inbox ({why}): remove it by hand."


def make_inboxes(repository: Repository) -> None:
    """A folder to drop files into, for each workload."""
    for workload in repository.workloads():
        workload.inbox.mkdir(parents=True, exist_ok=True)


def watch(
    repository: Repository, ask: Callable[[str, str], None], say: Callable[[str], None], stop: threading.Event
) -> None:
    """Land what is dropped, and ask for a turn wherever data is waiting, until told to stop.

    Asking is by level, not by edge: as long as data is waiting, `ask(workload, data version)` is called again every
    second, so nothing depends on an event that a crash could swallow. Whoever is asked makes one turn of many calls.
    What a person can mend (params.yaml in mid-edit, a full disk) is said once, and the watch goes on.

    Args:
        repository: whose inboxes.
        ask: asked for a turn.
        say: told what happens, a line each.
        stop: ends the watch.
    """
    voice = Voice(say)
    settling = _Settling(repository, voice, stop)
    asked_at = -_ASK_S
    for _ in _ticks(repository, stop):
        now = time.monotonic()
        with voice.faults("looking"):
            settling.look(now)
        if now - asked_at < _ASK_S:
            continue
        asked_at = now
        with voice.faults("inboxes"):
            make_inboxes(repository)
        with voice.faults("waiting"):
            for name, version in data_waiting(repository).items():
                if not settling.is_gathering(name, now):
                    with voice.faults(f"asking for {name}"):
                        ask(name, version)


def _ticks(repository: Repository, stop: threading.Event) -> Iterator[None]:
    """At once when something changes in an inbox, and a few times a second whether or not: to rest is no event."""
    from watchfiles import watch as changes

    while not stop.is_set():
        watched = list(filter(is_open, inboxes(repository)))
        try:
            for _ in changes(
                *watched,
                watch_filter=None,
                recursive=False,
                debounce=50,
                step=50,
                rust_timeout=_TICK_MS,
                yield_on_timeout=True,
                stop_event=stop,
                raise_interrupt=False,
            ):
                yield
                if list(filter(is_open, inboxes(repository))) != watched:
                    break
        except OSError:  # the system has no watch left, or an inbox has just gone: looking goes on without being woken
            stop.wait(_TICK_MS / 1000)
            yield


class _Settling:
    """Which entries have come to rest, and what became of those that could not land."""

    def __init__(self, repository: Repository, voice: Voice, stop: threading.Event) -> None:
        self._repository, self._voice, self._stop = repository, voice, stop
        self._seen: dict[Entry, tuple[Fingerprint, float, float]] = {}  # as it is, since when, and when first seen
        self._tried: dict[Entry, tuple[Fingerprint, float]] = {}  # as it was when it could not land, and when
        self._gathering: dict[str, float] = {}  # since when
        self._unsettled: set[str] = set()
        self._paths: set[Path] = set()
        self._kept: dict[str, str] | None = None

    def is_gathering(self, workload: str, now: float) -> bool:
        """Whether more is likely to come."""
        longest = LONGEST_GATHERED_S if workload in self._unsettled else GATHERED_S
        return workload in self._gathering and now - self._gathering[workload] < longest

    def look(self, now: float) -> None:
        """Notice what is new, and land what has settled."""
        self._gathering = {name: at for name, at in self._gathering.items() if self.is_gathering(name, now)}
        self._unsettled.clear()
        present = entries(self._repository)
        closed = [inbox for inbox in inboxes(self._repository) if not is_open(inbox)]
        self._forget_all_but(present, closed)
        for inbox in closed:
            self._tell(
                inbox, f"{self._name(inbox)} cannot be used: give this user the right to read and write that folder"
            )
        for entry in present:
            if self._stop.is_set():
                break
            try:
                self._look_at(entry, now)
            except (GristmillError, OSError) as error:
                if os.path.lexists(entry.path):  # else it was taken out while it was looked at
                    self._tell(entry.path, words_of(error))
        self._keep_notes()

    def _look_at(self, entry: Entry, now: float) -> None:
        fingerprint = entry.fingerprint()
        before, since, first = self._seen.get(entry, (None, now, now))
        if before is None:
            self._gathering.setdefault(entry.workload, now)
        if fingerprint != before:
            since = now
        self._seen[entry] = (fingerprint, since, first)
        if now - since < SETTLED_S:
            self._unsettled.add(entry.workload)
            return
        tried, tried_at = self._tried.get(entry, (None, 0.0))
        if fingerprint == tried and now - tried_at < RETRY_S:
            return
        self._tried[entry] = (fingerprint, now)
        if told := objection(self._repository, entry) or wrong_part(self._name(entry.path), entry):
            self._tell(entry.path, told)
        elif entry.fingerprint() == fingerprint:  # else somebody began to write while it was judged
            self._take(entry, fingerprint, now - first)

    def _take(self, entry: Entry, fingerprint: Fingerprint, rested_s: float) -> None:
        started = time.monotonic()
        landed = take(self._repository, entry, fingerprint)
        batch, took_s = landed.manifest.batch, time.monotonic() - started
        what = f"had landed before, as batch {batch}"
        if landed.is_new:
            times = f"at rest {rested_s:.1f} s after it was seen, landed in {took_s:.1f} s"
            what = f"landed as batch {batch} ({times})"
        self._voice.say(f"{entry.workload}: {entry.path.name} {what}")
        for line in check_lines(landed.check):
            self._voice.say(f"{entry.workload}: {entry.path.name}: {line}")
        del self._seen[entry], self._tried[entry]  # what takes its name now is another one
        self._tell(entry.path, None)

    def _forget_all_but(self, present: list[Entry], closed: list[Path]) -> None:
        for gone in self._seen.keys() - set(present):
            del self._seen[gone]
            self._tried.pop(gone, None)
        paths = {*(entry.path for entry in present), *closed}
        for path in self._paths - paths:
            self._tell(path, None)
        self._paths = paths

    def _keep_notes(self) -> None:
        names = [self._name(path) for path in sorted(self._paths)]
        notes = {name: self._voice.told[name] for name in names if name in self._voice.told}
        if notes != self._kept:
            # A name may hold bytes that are no UTF-8; as ASCII, JSON keeps them.
            write_text(_notes(self._repository), json.dumps(notes, indent=1) + "\n")
            self._kept = notes

    def _tell(self, path: Path, sentence: str | None) -> None:
        self._voice.tell(self._name(path), sentence)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._repository.here))


def take(repository: Repository, entry: Entry, settled: Fingerprint) -> Landed:
    """Land an entry, and take it out of the inbox once its landing is committed.

    Args:
        repository: whose inbox.
        entry: what has come to rest.
        settled: what it was then; if it is anything else in the end, it stays, and lands once more as what it has become.

    Raises:
        LandingError: it could not land; it stays where it is.
        StuckError: it has landed and stays where it is.
    """
    workload = repository.workload(entry.workload)
    landed = land(repository, workload, entry.parts)
    try:
        leaving = entry if entry.is_leaving else _move_out(entry)
        # What was renamed is surely what is removed; a file that took its name since is another one, and lands as such.
        if leaving.fingerprint() == settled:
            gone = workload.inbox / _GONE
            gone.mkdir(exist_ok=True)
            leaving.path.parent.rename(gone / secrets.token_hex(4))
            shutil.rmtree(gone)  # with what a kill has left there
            with contextlib.suppress(OSError):  # another entry is just leaving
                (workload.inbox / LEAVING).rmdir()
    except OSError as error:
        if os.path.lexists(entry.path):
            where = entry.path.relative_to(repository.here)
            raise StuckError(where, landed.manifest.batch, error.strerror) from error
    return landed


def inbox_notes(repository: Repository) -> list[str]:
    """What the watcher last said of entries that wait and of inboxes that it cannot use, a sentence each."""
    try:
        notes: dict[str, str] = read_json(_notes(repository))
    except (OSError, ValueError):
        return []
    return [told for path, told in notes.items() if os.path.lexists(repository.here / path)]


def _notes(repository: Repository) -> Path:
    return repository.state / "inbox.json"


def _move_out(entry: Entry) -> Entry:
    leaving = entry.path.parent / LEAVING / secrets.token_hex(4) / entry.path.name
    leaving.parent.mkdir(parents=True)
    try:
        entry.path.rename(leaving)
    except OSError:
        leaving.parent.rmdir()
        raise
    return Entry(entry.workload, leaving)
