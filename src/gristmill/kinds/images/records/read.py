"""IDX pairs (http://yann.lecun.com/exdb/mnist, "The IDX file format") as a table.

Parts are told apart by their magic number: three dimensions are images, one is labels; what they are called does not
matter. Whatever is broken, there is a row for every whole item, and what is missing of it is said in `problems`.
"""

import hashlib
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.data.batches import BatchTable
from gristmill.ground.settings import Settings
from gristmill.kinds.images.records.statistics import image_statistics

_WHAT = {0x0801: "labels", 0x0803: "images"}
_N_DIMENSIONS = {"labels": 1, "images": 3}
_ID_DIGITS = 32


class IngestSettings(Settings):
    """How images are read: nothing needs to be said, for IDX describes itself."""


class _Part(NamedTuple):
    what: str
    items: NDArray[np.uint8]
    """[N] or [N, H, W]: whole items only."""


def read(parts: list[Path], settings: IngestSettings, batch: str) -> BatchTable:
    """Read one batch.

    Args:
        parts: the landed files.
        settings: how to read them.
        batch: its id; it makes the record_id of a row without an image.

    Returns:
        Rows with `pixels` (bytes, row-major), `height`, `width`, and what `image_statistics` says of the image.
    """
    problems: list[str] = []
    found = [part for path in parts if (part := _read_part(path, problems))]
    images = _only("images", found, problems)
    labels = _only("labels", found, problems)
    if images is not None and labels is not None and len(images) != len(labels):
        problems.append(f"there are {len(images)} images and {len(labels)} labels")
    n_rows = max((len(part.items) for part in found), default=0)
    return BatchTable(_table(images, labels, n_rows, batch), problems)


def kind_of_part(path: Path) -> str | None:
    """`images` or `labels`, by the first four bytes of the file; None for anything else."""
    with path.open("rb") as file:
        head = file.read(4)
    return _WHAT.get(int.from_bytes(head, "big")) if len(head) == 4 else None


def _read_part(path: Path, problems: list[str]) -> _Part | None:
    content = path.read_bytes()
    what = kind_of_part(path)
    start = 4 + 4 * _N_DIMENSIONS.get(what or "", 0)
    if what is None or len(content) < start:
        problems.append(f"{path.name} is not an IDX file of images or labels")
        return None
    promised, *shape = (int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    item_size = prod(shape)
    if not item_size:
        problems.append(f"{path.name} says that its images have no pixels")
        return None
    whole, rest = divmod(len(content) - start, item_size)
    if whole != promised or rest:
        fragment = " and a part of one" if rest else ""
        problems.append(f"{path.name} is damaged: its header promises {promised} {what}, it holds {whole}{fragment}")
    if not whole:  # a header alone may promise images larger than any memory
        return _Part(what, np.empty((0, *(0 for _ in shape)), np.uint8))
    return _Part(what, np.frombuffer(content, np.uint8, whole * item_size, start).reshape(whole, *shape))


def _only(what: str, found: list[_Part], problems: list[str]) -> NDArray[np.uint8] | None:
    items = [part.items for part in found if part.what == what]
    if len(items) != 1:
        problems.append(f"one file of {what} is needed, there are {len(items)}")
    return items[0] if items else None


def _table(images: NDArray[np.uint8] | None, labels: NDArray[np.uint8] | None, n_rows: int, batch: str) -> pa.Table:
    images = np.empty((0, 0, 0), np.uint8) if images is None else images
    labels = np.empty(0, np.uint8) if labels is None else labels
    pixels = [image.tobytes() for image in images]
    without = range(len(images), n_rows)
    ids = [_hash(image) for image in pixels] + [_hash(f"{batch}/{position}".encode()) for position in without]
    columns: dict[str, pa.Array] = {
        "record_id": pa.array(ids, pa.string()),
        "split_key": pa.array(ids, pa.string()),
        "target": _padded(labels, n_rows, pa.int64()),
        "group": pa.nulls(n_rows, pa.string()),
        "pixels": pa.array(pixels + [None] * len(without), pa.binary()),
        "height": _padded(np.full(len(images), images.shape[1]), n_rows, pa.int32()),
        "width": _padded(np.full(len(images), images.shape[2]), n_rows, pa.int32()),
    }
    for name, values in image_statistics(images).items():
        columns[name] = _padded(values, n_rows, pa.float64())
    columns["problems"] = pa.array(
        [
            [f"the {what} is missing" for what, n in (("image", len(images)), ("label", len(labels))) if row >= n]
            for row in range(n_rows)
        ],
        pa.list_(pa.string()),
    )
    return pa.table(columns)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_ID_DIGITS]


def _padded(values: NDArray[Any], n_rows: int, kind: pa.DataType) -> pa.Array:
    return pa.concat_arrays([pa.array(values).cast(kind), pa.nulls(n_rows - len(values), kind)])
