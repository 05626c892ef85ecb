"""What lies in the inboxes: entries, and what speaks against one as it is.

An entry is a file, or a folder whose files are the parts of one batch. Temporary names (a leading dot, .part, .tmp) are left
alone until they are renamed.
"""

import contextlib
import importlib
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gristmill.data.growing.arrivals import is_temporary
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import file_sha256, read_json
from gristmill.runs.parts import files_below, told, unfit
from gristmill.runs.repository import Repository
from gristmill.runs.workspace import workloads_at

if TYPE_CHECKING:
    from gristmill.kinds.contract import Records

LEAVING = ".landed"
"""Folder within an inbox through which an entry leaves it; what is found there had landed, or lands."""
_MANIFEST = "manifest.json"

Fingerprint = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class Entry:
    """Something in an inbox."""

    workload: str
    path: Path

    @property
    def files(self) -> dict[str, Path]:
        """All that it holds but folders, a sender's manifest included, by path below `folder`."""
        return files_below(self.path) if self.path.is_dir() else {self.path.name: self.path}

    @property
    def folder(self) -> Path:
        """Below which the parts have their names."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def manifest(self) -> Path:
        """Where a folder's sender may say what belongs to it."""
        return self.path / _MANIFEST

    @property
    def parts(self) -> dict[str, Path]:
        """The files that land, by the names under which they do."""
        return {name: path for name, path in self.files.items() if path != self.manifest}

    @property
    def is_leaving(self) -> bool:
        """Whether it had landed once, and somebody was stopped before it had left, or wrote to it meanwhile."""
        return self.path.parent.parent.name == LEAVING

    def fingerprint(self) -> Fingerprint:
        """Changes whenever anybody writes to it or puts another in its place, and not by being moved.

        Raises:
            FileNotFoundError: it is there no more.
        """
        stats = ((name, _stat(path)) for name, path in self.files.items())
        return tuple((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in stats)


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError:  # a link to nothing, or to itself
        return path.lstat()


def entries(repository: Repository) -> list[Entry]:
    """What lies in all inboxes, temporary names left out; also in those of workloads that nobody knows."""
    found = []
    for inbox in filter(is_open, inboxes(repository)):
        with contextlib.suppress(FileNotFoundError):  # somebody is just removing it
            paths = [path for path in inbox.iterdir() if not is_temporary(path.name)]
            found += [
                Entry(inbox.parent.name, path) for path in (*sorted(paths), *sorted(inbox.glob(f"{LEAVING}/*/*")))
            ]
    return found


def objection(repository: Repository, entry: Entry) -> str | None:
    """Why an entry cannot land as it is, in a sentence; None when nothing that is quickly known speaks against it."""
    try:
        told = _objection(repository, entry)
    except OSError as error:
        told = words_of(error)
    return printable(told) if told and os.path.lexists(entry.path) else None  # it may just have been taken out


def inboxes(repository: Repository) -> list[Path]:
    return sorted((repository.here / "data").glob("*/inbox"))


def is_open(inbox: Path) -> bool:
    return inbox.is_dir() and os.access(inbox, os.R_OK | os.W_OK | os.X_OK)


def _objection(repository: Repository, entry: Entry) -> str | None:
    where = entry.path.relative_to(repository.here)
    known = {workload.name: workload for workload in repository.workloads()}
    if entry.workload not in known:
        return (
            f"{where} waits: params.yaml knows no workload '{entry.workload}'; add it (`gristmill new`), or move this to "
            "the inbox of one that it knows"
        )
    if entry.workload not in workloads_at(repository, repository.git.commit_of("HEAD")):
        return (
            f"{where} waits: the workload '{entry.workload}' is not committed yet, and a run takes the code of a commit; "
            "commit it"
        )
    if told := _unusable(repository.here, entry):
        return told
    if entry.manifest.is_file() and (told := _manifest_objection(where, entry)):
        return told
    records: Records = importlib.import_module(f"gristmill.kinds.{known[entry.workload].kind}.records")
    if missing := records.missing_part(list(entry.parts.values()), entry.folder):
        return f"{where} waits: it {missing}"
    return None


def _unusable(here: Path, entry: Entry) -> str | None:
    files = list(entry.files.values())
    for path in dict.fromkeys((entry.path, *(path.parent for path in files if path != entry.path), *files)):
        rights, what = (os.R_OK | os.W_OK | os.X_OK, "read and emptied") if path.is_dir() else (os.R_OK, "read")
        if path.exists() and not os.access(path, rights):
            return f"{path.relative_to(here)} may not be {what} by this user: give the right to, or take it out"
    if entry.path.is_symlink() and entry.path.exists():
        return f"{entry.path.relative_to(here)} is a link: put in its place what it leads to, or take it out"
    for path in files:
        if any(is_temporary(name) for name in path.relative_to(entry.path).parts):
            return f"{path.relative_to(here)} has a temporary name: rename it when it is whole, or take it out"
        if fault := unfit(path, entry.folder):
            return f"{path.relative_to(here)} {fault}: take it out"
        if not path.stat().st_size:
            return f"{path.relative_to(here)} is empty: it waits to be filled, or to be taken out"
    return None if entry.parts else f"{entry.path.relative_to(here)} waits: the folder holds no file of data"


def _manifest_objection(where: Path, entry: Entry) -> str | None:
    try:
        wanted = _wanted(entry)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f'{where}/{_MANIFEST} cannot be read; {{"parts": [{{"name": ..., "sha256": ...}}]}} is expected'
    here = {_nfc(name) for name in entry.parts}
    if missing := sorted(wanted.keys() - here):
        return f"{where} waits for {told(missing)}, which its manifest names"
    if more := sorted(here - wanted.keys()):
        return f"{where} waits: its manifest does not name {told(more)}"
    return None


def wrong_part(where: str, entry: Entry) -> str | None:
    """Apart from the other objections, for whoever shows a status each second must not hash gigabytes."""
    wanted = _wanted(entry) if entry.manifest.is_file() else {}
    for name, path in entry.parts.items():
        sha256 = wanted.get(_nfc(name))
        if sha256 and file_sha256(path) != sha256.lower():
            return f"{where} waits: {name} is not the file whose SHA-256 its manifest names; send it again"
    return None


def _wanted(entry: Entry) -> dict[str, str]:
    """The SHA-256 of each part, by its name; empty where the sender names none."""
    parts = read_json(entry.manifest)["parts"]
    return {_nfc(str(part["name"])): str(part.get("sha256") or "") for part in parts}


def _nfc(name: str) -> str:
    """macOS writes an é as two characters where a manifest may have one."""
    return unicodedata.normalize("NFC", name)


def words_of(error: GristmillError | OSError) -> str:
    if isinstance(error, GristmillError):
        return str(error)
    what = f"{error.filename}: " if error.filename else ""
    return f"the watcher waits: {what}{error.strerror or error}. Nothing is lost: mend it, and the watcher goes on."


def printable(text: str) -> str:
    """One line that any terminal takes: a name may hold line ends, and bytes that are no UTF-8."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in " ".join(text.split()))
