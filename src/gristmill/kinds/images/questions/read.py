"""Files as images that a model is asked about: read as if they landed, but that labels are not needed."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from gristmill.kinds.images.records.read import IngestSettings, read_unlabelled
from gristmill.kinds.images.records.table import Row

_ID_DIGITS = 32
_CHUNK_PIXELS = 2**23


def read(
    parts: Mapping[str, Path], settings: IngestSettings, contract: dict[str, Any], problems: list[str], notes: list[str]
) -> Iterator[pa.Table]:
    """Images in the order of their files, some at a time; all of them are in memory, as they are when they land.

    Args:
        parts: the files by name.
        settings: not needed, for labels are not read.
        contract: the size that the model takes.
        problems: told what is wrong with files as a whole.
        notes: told what was passed over.

    Returns:
        `record_id` (the hash of the pixels, as when it lands), `pixels`, `height`, `width`, and `problem`: null, or why the
        service would not answer.
    """
    rows = read_unlabelled({PurePosixPath(name): path for name, path in parts.items()}, problems, notes)
    height, width = contract["image"]["height"], contract["image"]["width"]
    n_at_once = max(1, _CHUNK_PIXELS // (height * width))
    for start in range(0, len(rows), n_at_once):
        yield _table(rows[start : start + n_at_once], start, height, width)


def _table(rows: Sequence[Row], start: int, height: int, width: int) -> pa.Table:
    pixels = [None if row.image is None else row.image.tobytes() for row in rows]
    named = [str(start + n).encode() if content is None else content for n, content in enumerate(pixels)]
    return pa.table(
        {
            "record_id": [hashlib.sha256(content).hexdigest()[:_ID_DIGITS] for content in named],
            "pixels": pa.array(pixels, pa.binary()),
            "height": pa.array([None if row.image is None else row.image.shape[0] for row in rows], pa.int32()),
            "width": pa.array([None if row.image is None else row.image.shape[1] for row in rows], pa.int32()),
            "problem": pa.array([_problem(row, start + n, height, width) for n, row in enumerate(rows)], pa.string()),
        }
    )


def _problem(row: Row, position: int, height: int, width: int) -> str | None:
    if row.problems:
        return "; ".join(row.problems)
    if row.image is not None and row.image.shape != (height, width):
        rows, columns = row.image.shape
        return f"images[{position}] has {rows} rows of {columns} pixels; {height} rows of {width} are expected."
    return None
