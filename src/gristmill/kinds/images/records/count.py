"""How many rows an image batch has, by the sizes and names of its files alone: the other count, which `read` must meet."""

from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from gristmill.kinds.images.records.archive import ArchiveError, archived_names, open_archive
from gristmill.kinds.images.records.layout import Role, role_of

_DIMENSIONS = {b"\x00\x00\x08\x01": 1, b"\x00\x00\x08\x03": 3}


def count_rows(parts: list[Path], settings: Any) -> int:
    """The pictures that files and archives name, and the most whole items that any other part holds.

    An IDX header's own count is only a promise and is not believed.
    """
    by_role = {role: [path for path in parts if role_of(path) is role] for role in Role}
    n_archived = sum(_archived(path) for path in by_role[Role.ARCHIVE])
    return len(by_role[Role.PICTURE]) + n_archived + max((_items(path) for path in by_role[Role.OTHER]), default=0)


def _archived(path: Path) -> int:
    try:
        with open_archive(path):
            return sum(role_of(PurePosixPath(name)) is Role.PICTURE for name in archived_names(path) if name[-1] != "/")
    except ArchiveError:
        return 0


def _items(path: Path) -> int:
    with path.open("rb") as file:
        n_dimensions = _DIMENSIONS.get(file.read(4), 0)
        shape = file.read(4 * n_dimensions)
    if not n_dimensions or len(shape) < 4 * n_dimensions:
        return 0
    item = prod(int.from_bytes(shape[i : i + 4], "big") for i in range(4, len(shape), 4))
    return (path.stat().st_size - 4 - 4 * n_dimensions) // item if item else 0
