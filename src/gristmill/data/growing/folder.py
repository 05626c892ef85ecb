"""A folder that grows: each file is a batch, or all files of each folder directly below.

An entry is taken when nothing about it has changed for two seconds, and only if it is still the same at the moment of the
commit. What it holds decides whether it is new: the ledger knows, by name, which batch each entry became. Nothing in the
folder is changed, and links are not followed: who may write there must not be able to have any file of this machine landed.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from gristmill.data.growing.arrivals import Arrival, Found, SourceUnreachableError, is_temporary
from gristmill.data.growing.ledger import FilesTaken, Ledger
from gristmill.data.growing.settings import FolderSource
from gristmill.data.manifest import Part, batch_id
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import content_sha256, file_sha256, read_json, write_json

RESTED_S = 2.0
"""Without a change for so long, an entry is whole."""


class StillWrittenError(GristmillError):
    """An entry changed while it was taken."""

    def __str__(self) -> str:
        return f"{self.args[0]} is still being written: it is taken when it has come to rest"


@dataclass(frozen=True)
class _Entry:
    name: str
    """Below the source, with slashes."""
    path: Path

    @property
    def files(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        return sorted(path for path in self.path.rglob("*") if path.is_symlink() or not path.is_dir())

    def state(self) -> str:
        """Changes whenever anybody writes to it, or puts another in its place, even with the times of the old one."""
        stats = [(str(path.relative_to(self.path)), path.lstat()) for path in self.files]
        return content_sha256([(n, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for n, s in stats])[:16]

    def batch_at_rest(self, state: str) -> str:
        """Which batch it would become.

        Raises:
            StillWrittenError: it is no longer as it was.
        """
        parts = [Part(name=path.name, sha256=file_sha256(path), size=path.stat().st_size) for path in self.files]
        if self.state() != state:
            raise StillWrittenError(self.name)
        return batch_id("train", parts)

    def unfinished(self) -> str | None:
        """Why it waits, if it is not whole yet."""
        for path in self.files:
            if is_temporary(path.name):
                return f"{self.name} waits: {path.name} is a temporary name"
            if path.is_file() and not path.stat().st_size:
                return f"{self._named(path)} waits: it is empty"
        return None if self.files else f"{self.name} waits: it holds no file"

    def objection(self) -> str | None:
        """Why it cannot land as it is."""
        for path in dict.fromkeys((self.path, *self.files)):
            if path.is_symlink():
                return f"{self._named(path)} is a link, and links are not followed: put the file itself there"
            if not path.is_file() and not path.is_dir():
                return f"{self._named(path)} is no file: take it out"
            if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
                return f"{self._named(path)} may not be read by this user: give the right to"
        return None

    def _named(self, path: Path) -> str:
        return self.name if path == self.path else f"{self.name}/{path.relative_to(self.path)}"


def look_into_folder(
    source: FolderSource, root: Path, ledger: Ledger, notes: Path, rest: Callable[[float], object]
) -> Found:
    """Find entries that are new or changed, and at rest.

    Args:
        source: which folder.
        root: where a relative path begins.
        ledger: what has been taken.
        notes: a file that remembers what was read of entries that have not changed since; without it they are read again.
        rest: waits for so many seconds.

    Raises:
        SourceUnreachableError: there is no such folder, or it may not be read.
    """
    folder = root / Path(source.folder).expanduser()
    taken = ledger.files(source.name)
    known = _read_notes(notes)
    arrivals, waiting, amiss = list[Arrival](), list[str](), list[str]()
    try:
        seen = {entry: entry.state() for entry in _entries(source, folder, amiss)}
    except OSError as error:
        raise SourceUnreachableError(
            f"the folder {folder} cannot be read ({error.strerror}). Mount it, give this user the right to read it, or "
            "correct its path in params."
        ) from error
    new = {
        entry: state for entry, state in seen.items() if known.get(entry.name) != [state, taken.files.get(entry.name)]
    }
    if new:
        rest(RESTED_S)
    for entry, state in new.items():
        try:
            if told := entry.objection():
                amiss.append(told)
            elif told := entry.unfinished():
                waiting.append(told)
            else:
                batch, before = entry.batch_at_rest(state), taken.files.get(entry.name)
                known[entry.name] = [state, batch]
                if batch != before:
                    arrivals.append(_arrival(source.name, entry, state, before, batch))
        except (StillWrittenError, FileNotFoundError):
            waiting.append(str(StillWrittenError(entry.name)))
        except OSError as error:
            amiss.append(f"{entry.name} cannot be read ({error.strerror})")
    write_json(notes, {entry.name: known[entry.name] for entry in seen if entry.name in known})
    return Found(arrivals, waiting, amiss)


def _entries(source: FolderSource, folder: Path, amiss: list[str]) -> list[_Entry]:
    found = []
    for path in sorted(folder.iterdir() if source.batch == "folder" else _files(folder, amiss)):
        name = path.relative_to(folder).as_posix()
        is_hidden = any(is_temporary(part) for part in name.split("/"))
        if is_hidden or (source.batch == "folder" and not path.is_dir()) or not fnmatchcase(name, source.glob):
            continue
        if name.isprintable():
            found.append(_Entry(name, path))
        else:  # line ends, or bytes that are no UTF-8
            amiss.append(f"{name!a} is no name that can be written in a line of UTF-8: rename it")
    return found


def _files(folder: Path, amiss: list[str]) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        if error.filename == str(folder):
            raise error
        amiss.append(f"{Path(error.filename).relative_to(folder)} cannot be read ({error.strerror})")

    for place, _, names in os.walk(folder, onerror=refused):
        yield from (Path(place, name) for name in names)


def _arrival(source: str, entry: _Entry, state: str, before: str | None, batch: str) -> Arrival:
    def move(ledger: Ledger) -> FilesTaken:
        with contextlib.suppress(FileNotFoundError):
            if entry.state() == state:
                return ledger.files(source).take(entry.name, before, batch)
        raise StillWrittenError(entry.name)

    replaced = f", in the place of what landed as batch {before}" if before else ""
    return Arrival(f"{entry.name}{replaced}", lambda _work, _report: [entry.path], move)


def _read_notes(notes: Path) -> dict[str, list[str | None]]:
    try:
        return dict(read_json(notes))
    except (OSError, ValueError, TypeError):
        return {}
