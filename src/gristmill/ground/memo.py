"""What a stage made of each batch, remembered by what it was made from.

DVC deletes a stage's outputs before it runs, so without a memory each turn would do all batches again for the sake of the
one that is new. An entry is a file called `<key>-<sha256 of its bytes>`:

    key      the batch, and all else that the stage depends on: files, parameters, releases of libraries, as dvc.yaml
             declares them; so whatever makes DVC run the stage again makes the memo forget
    bytes    checked at each use; an entry that is damaged is removed, and the work is done

It holds nothing that cannot be made again: to delete it, or any part of it, costs time and changes no output. Entries are
kept only when the stage has found its ground unchanged (else the work of an edited file could stand under the hash of the
one before the edit), and go when the last turns of their stage have not used them.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gristmill.ground.files import file_sha256, new_file, write_json
from gristmill.ground.pipeline import StageDefinition
from gristmill.ground.settings import read_yaml
from gristmill.ground.workload import Workload

KEPT_TURNS = 5
"""Turns of a stage that an entry outlives without being used: who goes back to yesterday's code finds yesterday's work."""

_ENTRY = re.compile(r"([0-9a-f]{32})-([0-9a-f]{64})")
_AGES = "unused.json"


class Memo:
    """The memory of one stage of one workload. No fault of its folder is a fault of the stage: it is only slower then."""

    def __init__(self, folder: Path | None = None, ground: str = "") -> None:
        """Remember in `folder` (nowhere where None) what depends on `ground`, the hash of all that batches share."""
        self._folder = folder
        self._ground = ground
        self._known = _entries(folder) if folder else {}
        self._used: set[str] = set()
        self._new_bytes: dict[str, bytes] = {}
        self._new_files: dict[str, Path] = {}

    def key(self, *batch: Any) -> str:
        """The key of what is made from this ground and from `batch`: JSON-able values, hashes instead of bytes."""
        return hashlib.sha256(json.dumps([self._ground, *batch], sort_keys=True).encode()).hexdigest()[:32]

    def read(self, key: str) -> bytes | None:
        """The bytes under a key, or None."""
        if entry := self._known.get(key):
            with suppress(OSError):
                content = entry.read_bytes()
                if hashlib.sha256(content).hexdigest() == _sha256_of(entry):
                    self._used.add(key)
                    return content
            self._forget(key)
        return None

    def link(self, key: str, path: Path) -> bool:
        """Let the file under a key be at `path` too; a copy where the file system knows no links. False without one."""
        if entry := self._known.get(key):
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                _link(entry, path)
                if file_sha256(path) == _sha256_of(entry):
                    self._used.add(key)
                    return True
            path.unlink(missing_ok=True)
            self._forget(key)
        return False

    def keep(self, key: str, made: bytes | Path) -> None:
        """Remember bytes, or the file that will be at a path when the stage has ended; `settle` does it."""
        if isinstance(made, bytes):
            self._new_bytes[key] = made
        else:
            self._new_files[key] = made

    def settle(self) -> None:
        """Write down what is new, and let go what the last turns did not use. To be called when the ground is unchanged."""
        if self._folder is None:
            return
        with suppress(OSError):  # a full disk, or no right to write: the next turn does the work again
            self._folder.mkdir(parents=True, exist_ok=True)
            for key, content in self._new_bytes.items():
                with new_file(self._folder / f"{key}-{hashlib.sha256(content).hexdigest()}") as temporary:
                    temporary.write_bytes(content)
            same = {_sha256_of(entry): entry for entry in self._known.values()}
            for key, path in self._new_files.items():
                sha256 = file_sha256(path)
                _link(same.get(sha256, path), self._folder / f"{key}-{sha256}")
            self._let_go(self._folder)

    def _let_go(self, folder: Path) -> None:
        used = self._used | self._new_bytes.keys() | self._new_files.keys()
        before = _ages(folder / _AGES)
        ages = {key: 0 if key in used else before.get(key, 0) + 1 for key in _entries(folder)}
        for key, entry in _entries(folder).items():
            if ages[key] > KEPT_TURNS:
                entry.unlink(missing_ok=True)
        write_json(folder / _AGES, {key: age for key, age in ages.items() if age <= KEPT_TURNS})

    def _forget(self, key: str) -> None:
        with suppress(OSError):
            self._known.pop(key).unlink(missing_ok=True)


def open_memo(workload: Workload, definition: StageDefinition, batchwise: Collection[Path]) -> Memo:
    """The memo of a stage, on the ground that its definition names.

    GRISTMILL_MEMO names the folder of all memos, else it is .gristmill/memo in the working tree.

    Args:
        workload: whose stage it is.
        definition: the stage, as dvc.yaml defines it.
        batchwise: the dependencies of which the stage itself puts what belongs to a batch into the batch's key; every
            other one, whatever dvc.yaml comes to name, is ground.
    """
    root = workload.root
    values = {file: read_yaml(root / file) for file in {file for file, _ in definition.params}}
    ground = {
        "stage": definition.name,
        "kind": workload.kind,
        "files": hashes(root, [root / dep for dep in definition.deps if root / dep not in batchwise]),
        "params": [[file, key, values[file].get(key)] for file, key in definition.params],
    }
    folder = Path(os.environ.get("GRISTMILL_MEMO") or root / ".gristmill" / "memo")
    stage = definition.name.partition("@")[0]
    return Memo(folder / workload.name / stage, hashlib.sha256(repr(ground).encode()).hexdigest())


def hashes(root: Path, paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file at or under `paths`, by its path from `root`."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    sources = [file for file in files if file.is_file() and "__pycache__" not in file.parts]
    return {str(file.relative_to(root)): file_sha256(file) for file in sources}


def _entries(folder: Path) -> dict[str, Path]:
    """Files by key; whatever else lies there is none of ours."""
    try:
        found = [(name, entry) for entry in folder.iterdir() if (name := _ENTRY.fullmatch(entry.name))]
    except OSError:
        return {}
    return {name[1]: entry for name, entry in sorted(found, key=lambda one: one[1].name)}


def _sha256_of(entry: Path) -> str:
    return entry.name.partition("-")[2]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:  # another file system, or one without links
        with new_file(target) as temporary:
            shutil.copyfile(source, temporary)


def _ages(path: Path) -> dict[str, int]:
    """For how many turns an entry was not used; one that is not named is as good as new."""
    try:
        ages = json.loads(path.read_text("utf-8"))
        return {str(key): int(age) for key, age in ages.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
