"""Files that were given become the parts of a batch, each under a name: its path below the folder that was given.

Whatever is no file that can land (a pipe, a link to nothing, a link out of its folder) is refused by name, and never
passed over: a batch is what was given, or nothing.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from os import DirEntry, scandir
from pathlib import Path, PurePosixPath
from unicodedata import category

from gristmill.data.manifest import DECISION_FILES
from gristmill.ground.errors import GristmillError

_NAMES_TOLD = 5
_OWNED = ("*.dvc", ".dvcignore", ".git", "dvc.yaml")
"""What DVC reads wherever it finds it, or leaves out."""
_UNPRINTABLE = ("Cc", "Zl", "Zp")  # control characters and line ends


class PartsError(GristmillError):
    """Files that cannot be the parts of a batch."""


def parts_of(given: Sequence[Path]) -> dict[str, Path]:
    """The parts that files stand for, by name; a folder stands for all files below it.

    Raises:
        PartsError: one of them is missing, is no file, has a name that cannot land, or there is none.
    """
    parts: dict[str, Path] = {}
    for path in given:
        if not path.exists():
            raise PartsError(f"{path} does not exist. Nothing landed.")
        for name, file in (files_below(path) if path.is_dir() else {path.name: path}).items():
            if name in parts:
                raise PartsError(f"two files are called '{name}' ({parts[name]}, {file}). Rename one.")
            if path.is_dir() and (fault := unfit(file, path)):
                raise PartsError(f"{file} {fault}. Take it out, or put a file in its place; nothing landed.")
            if not file.is_file():
                raise PartsError(f"{file} is no file (a pipe or a device). Nothing landed.")
            parts[name] = file
    if not parts:
        raise PartsError(f"no file in {', '.join(str(path) for path in given)}. Name the files of the batch.")
    check_names(parts)
    return parts


def files_below(folder: Path) -> dict[str, Path]:
    """All that lies below a folder, by path relative to it, in the order of these: files, links, pipes.

    Folders are not listed, but for those that may not be looked into. Links to folders are not followed.
    """
    found: dict[str, Path] = {}
    unvisited = [""]
    while unvisited:
        below = unvisited.pop()
        try:
            entries = _entries(folder / below)
        except PermissionError:
            found[below.rstrip("/") or "."] = folder / below
            continue
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                unvisited.append(f"{name}/")
            else:
                found[name] = Path(entry.path)
    return dict(sorted(found.items()))


def unfit(file: Path, folder: Path) -> str | None:
    """Why something below a folder is no part, in words that follow its name; None when it is one."""
    if file.is_dir() and not file.is_symlink():
        return "may not be looked into by this user"
    if not file.is_file():
        return "is no file (a link to nothing or to a folder, a pipe)"
    if file.is_symlink() and (file.readlink().is_absolute() or not file.resolve().is_relative_to(folder.resolve())):
        return "is a link out of its folder"
    return None


def check_names(parts: Mapping[str, Path]) -> None:
    """Refuse a name that the mill needs, or that could lie outside the batch or in the way of another.

    Raises:
        PartsError: for the first such name.
    """
    for name, file in parts.items():
        path = PurePosixPath(name)
        if path.is_absolute() or str(path) != name or ".." in path.parts:
            raise PartsError(f"{str(file)!a}: no part can be called {name!a}. Rename the file.")
        if path.name == "manifest.json" or fnmatchcase(path.name, DECISION_FILES):
            raise PartsError(f"{file}: this name is the mill's own. Rename the file.")
        if any(fnmatchcase(piece, owned) for piece in path.parts for owned in _OWNED):
            raise PartsError(f"{file}: this name is git's or DVC's own. Rename it.")
        if not _is_text(name):
            raise PartsError(f"{str(file)!a}: this name is no line of UTF-8. Rename the file.")
        if above := next((str(folder) for folder in path.parents if str(folder) in parts), None):
            raise PartsError(f"{file}: '{above}' is the name of a file ({parts[above]}) and of a folder. Rename one.")


def told(names: Sequence[str]) -> str:
    """The names of parts in a sentence; of many, the first ones."""
    if len(names) <= _NAMES_TOLD:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMES_TOLD - 1])} and {len(names) - _NAMES_TOLD + 1:,} more"


def _entries(folder: Path) -> list[DirEntry[str]]:
    with scandir(folder) as entries:
        return list(entries)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8, which Linux allows
        return False
    return not any(category(character) in _UNPRINTABLE for character in name)
