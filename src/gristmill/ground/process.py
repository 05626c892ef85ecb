"""A stage process checks its own ground before it works, and again before it says that it is done.

DVC hashes a stage's dependencies after its command has ended, and shares results between working trees: a stage that
ran other code than it declares, or whose inputs changed under it, would leave a lie in the run cache that lasts. So it
refuses, rather than record one.
"""

import importlib.metadata
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import files_in
from gristmill.ground.pipeline import StageDefinition
from gristmill.ground.settings import read_yaml


class GroundError(GristmillError):
    """The stage does not stand where dvc.yaml says it stands."""


def check_imported_from(root: Path) -> None:
    """Refuse to run code of another working tree.

    Raises:
        GroundError: the imported `gristmill` does not lie under root/src.
    """
    imported = Path(__file__).resolve().parent.parent
    expected = (root / "src" / "gristmill").resolve()
    if imported != expected:
        raise GroundError(
            f"the stage would run the code in {imported}, but it belongs to {expected}. "
            f"Set PYTHONPATH={root / 'src'} for this command."
        )


def leave_other_trees(root: Path) -> None:
    """Take other working trees off the import path.

    An editable install puts a person's tree there, and a package beside `gristmill` that is missing in the code that runs
    would come from it, edits and all.
    """
    own = (root / "src").resolve()
    sys.path[:] = [e for e in sys.path if Path(e).resolve() == own or not Path(e, "gristmill", "ground").is_dir()]


def check_libraries(root: Path, libraries: Iterable[str]) -> None:
    """Refuse to run with another release of a library that decides the result; build labels (`+cpu`) do not count.

    Raises:
        GroundError: a library is missing from versions.yaml, not installed, or another release.
    """
    declared = read_yaml(root / "versions.yaml")
    wrong = []
    for library in libraries:
        installed = installed_release(library)
        if installed != str(declared.get(library)):
            wrong.append(f"{library} is {installed or 'not installed'}, declared {declared.get(library)}")
    if wrong:
        raise GroundError(
            f"installed libraries differ from versions.yaml: {'; '.join(wrong)}. Install the declared ones "
            "(`make install`), or declare the installed ones (`gristmill pin`); models will then be made again."
        )


def installed_release(library: str) -> str | None:
    """The installed version without its build label, or None."""
    try:
        return importlib.metadata.version(library).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def snapshot(root: Path, definition: StageDefinition) -> dict[str, Any]:
    """Size, modification time (ns) and inode of each file under the dependencies, and the value of each parameter.

    Raises:
        GroundError: a dependency does not exist.
    """
    files: dict[str, Any] = {}
    for dep in definition.deps:
        path = root / dep
        if not path.exists():
            raise GroundError(f"{dep} does not exist. `gristmill land` brings data, `gristmill pull` the mill's files.")
        found = (
            [(entry.path, entry.stat()) for entry in files_in(path)] if path.is_dir() else [(str(path), path.stat())]
        )
        for file, stat in found:
            if "__pycache__" not in file:
                files[file[len(f"{root}{os.sep}") :]] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    values = {file: read_yaml(root / file) for file in {file for file, _ in definition.params}}
    return {**files, **{f"{key} in {file}": values[file].get(key) for file, key in definition.params}}


def check_unchanged(root: Path, definition: StageDefinition, before: dict[str, Any]) -> None:
    """Compare with a snapshot taken at the start.

    Raises:
        GroundError: a dependency or a parameter changed while the stage ran; its result belongs to neither state, and is
            not recorded.
    """
    after = snapshot(root, definition)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        raise GroundError(
            f"changed while the stage ran: {', '.join(changed[:5])}{' and more' if len(changed) > 5 else ''}. "
            "Nothing was recorded; run it again, and edit when it has ended."
        )
