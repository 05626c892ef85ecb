"""Images as a batch table: a row for each, with its label and the figures that `image_statistics` gives."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.kinds.images.records.statistics import STATISTICS, image_statistics

_ID_DIGITS = 32
_CHUNK_PIXELS = 2**23
"""Of images that are described at a time."""


class Row(NamedTuple):
    """One image, as far as it could be read."""

    image: NDArray[np.uint8] | None
    """[H, W]"""
    target: int | None
    problems: tuple[str, ...]


def table_of(rows: Sequence[Row], batch: str) -> pa.Table:
    """The batch table; `batch` makes the record_id of a row without an image."""
    images = [row.image for row in rows]
    pixels = [None if image is None else image.tobytes() for image in images]
    ids = [_hash(f"{batch}/{n}".encode() if content is None else content) for n, content in enumerate(pixels)]
    columns: dict[str, pa.Array] = {
        "record_id": pa.array(ids, pa.string()),
        "split_key": pa.array(ids, pa.string()),
        "target": pa.array([row.target for row in rows], pa.int64()),
        "group": pa.nulls(len(rows), pa.string()),
        "pixels": pa.array(pixels, pa.binary()),
        "height": pa.array([None if image is None else image.shape[0] for image in images], pa.int32()),
        "width": pa.array([None if image is None else image.shape[1] for image in images], pa.int32()),
    }
    for name, values in _statistics(images).items():
        columns[name] = pa.array(values, pa.float64(), from_pandas=True)  # NaN: no image
    columns["problems"] = pa.array([list(row.problems) for row in rows], pa.list_(pa.string()))
    return pa.table(columns)


def _statistics(images: Sequence[NDArray[np.uint8] | None]) -> dict[str, NDArray[np.float64]]:
    """Figures of images of any sizes, float64 [N]; NaN where there is no image."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for position, image in enumerate(images):
        if image is not None:
            by_size.setdefault(image.shape, []).append(position)
    figures = {name: np.full(len(images), np.nan) for name in STATISTICS}
    for (height, width), positions in by_size.items():
        n_at_once = max(1, _CHUNK_PIXELS // (height * width))
        for start in range(0, len(positions), n_at_once):
            chunk = positions[start : start + n_at_once]
            images_NHW = np.stack([image for position in chunk if (image := images[position]) is not None])
            for name, values in image_statistics(images_NHW).items():
                figures[name][chunk] = values
    return figures


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_ID_DIGITS]
