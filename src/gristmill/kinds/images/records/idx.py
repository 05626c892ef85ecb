"""IDX pairs (http://yann.lecun.com/exdb/mnist, "The IDX file format") as rows.

Parts are told apart by their magic number: three dimensions are images, one is labels; what they are called does not
matter. Whatever is broken, there is a row for every whole item, and what is missing of it is said in `problems`.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gristmill.kinds.images.records.table import Row

_WHAT = {0x0801: "labels", 0x0803: "images"}
_N_DIMENSIONS = {"labels": 1, "images": 3}


class _Part(NamedTuple):
    what: str
    items: NDArray[np.uint8]
    """[N] or [N, H, W]: whole items only."""


def kind_of_part(path: Path) -> str | None:
    """`images` or `labels`, by the first four bytes of the file; None for anything else."""
    with path.open("rb") as file:
        head = file.read(4)
    return _WHAT.get(int.from_bytes(head, "big")) if len(head) == 4 else None


def read_pair(parts: Mapping[PurePosixPath, Path], problems: list[str]) -> list[Row]:
    """Read one file of images and one of labels; `problems` is told what is wrong with them as a whole."""
    found = [part for place, path in parts.items() if (part := _read_part(place, path, problems))]
    images = _only("images", found, problems)
    labels = _only("labels", found, problems)
    if images is not None and labels is not None and len(images) != len(labels):
        problems.append(f"there are {len(images)} images and {len(labels)} labels")
    n_images, n_labels = (0 if items is None else len(items) for items in (images, labels))
    return [
        Row(
            image=images[row] if images is not None and row < n_images else None,
            target=int(labels[row]) if labels is not None and row < n_labels else None,
            problems=tuple(
                f"the {what} is missing" for what, n in (("image", n_images), ("label", n_labels)) if row >= n
            ),
        )
        for row in range(max((len(part.items) for part in found), default=0))
    ]


def read_images(parts: Mapping[PurePosixPath, Path], problems: list[str]) -> list[Row]:
    """The images of files, one file after the other; files of labels are passed over."""
    found = [part for place, path in parts.items() if (part := _read_part(place, path, problems))]
    return [Row(image, None, ()) for part in found if part.what == "images" for image in part.items]


def _read_part(place: PurePosixPath, path: Path, problems: list[str]) -> _Part | None:
    what = kind_of_part(path)
    content = path.read_bytes() if what else b""  # a file of anything else may be larger than any memory
    start = 4 + 4 * _N_DIMENSIONS.get(what or "", 0)
    if what is None or len(content) < start:
        problems.append(f"{place} is not an IDX file of images or labels")
        return None
    promised, *shape = (int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    item_size = prod(shape)
    if not item_size:
        problems.append(f"{place} says that its images have no pixels")
        return None
    whole, rest = divmod(len(content) - start, item_size)
    if whole != promised or rest:
        fragment = " and a part of one" if rest else ""
        problems.append(f"{place} is damaged: its header promises {promised} {what}, it holds {whole}{fragment}")
    if not whole:  # a header alone may promise images larger than any memory
        return _Part(what, np.empty((0, *(0 for _ in shape)), np.uint8))
    return _Part(what, np.frombuffer(content, np.uint8, whole * item_size, start).reshape(whole, *shape))


def _only(what: str, found: list[_Part], problems: list[str]) -> NDArray[np.uint8] | None:
    items = [part.items for part in found if part.what == what]
    if len(items) != 1:
        problems.append(f"one file of {what} is needed, there are {len(items)}")
    return items[0] if items else None
