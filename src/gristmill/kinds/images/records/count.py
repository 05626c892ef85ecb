"""How many rows an image batch has, by the sizes of its files alone: the other count, which `read` must meet."""

from math import prod
from pathlib import Path
from typing import Any

_DIMENSIONS = {b"\x00\x00\x08\x01": 1, b"\x00\x00\x08\x03": 3}


def count_rows(parts: list[Path], settings: Any) -> int:
    """The most whole items that any part holds; a header's own count is only a promise and is not believed."""
    return max((_items(path) for path in parts), default=0)


def _items(path: Path) -> int:
    with path.open("rb") as file:
        n_dimensions = _DIMENSIONS.get(file.read(4), 0)
        shape = file.read(4 * n_dimensions)
    if not n_dimensions or len(shape) < 4 * n_dimensions:
        return 0
    item = prod(int.from_bytes(shape[i : i + 4], "big") for i in range(4, len(shape), 4))
    return (path.stat().st_size - 4 - 4 * n_dimensions) // item if item else 0
