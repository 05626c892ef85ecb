"""Row-level files of the evaluation: held-out records, and what each model answered.

Parquet with page checksums, written and verified: without them a flipped byte reads as another value (measured).

    record_id   string
    target      int64, the index in today's classes; float for a regression
    challenger  fixed_size_list<float>[C], probabilities in the order of today's classes; float for a regression
    champion    the same; the column is absent where there is no champion, or it could not answer
    best        the same
"""

# N records, C classes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gristmill.evaluation.metrics import Floats
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import new_file

ROLES = ("challenger", "champion", "best")


class DamagedTableError(GristmillError):
    """A Parquet file's bytes are not what was written."""

    def __str__(self) -> str:
        path, cause = self.args
        return f"{path} is damaged ({cause}). Remove it and its copy in .dvc/cache, then run `dvc repro` again."


@dataclass(frozen=True)
class Predictions:
    """What the models answered to the same records."""

    record_ids: list[str]
    target: NDArray[Any]
    """[N]: class indices, or numbers."""
    answers: Mapping[str, Floats]
    """By role: probabilities [N, C], or predictions [N]."""


def read_table(path: Path) -> pa.Table:
    """Read a Parquet file, verifying every page.

    Raises:
        DamagedTableError: the bytes are not those that were written.
    """
    try:
        return pq.read_table(path, page_checksum_verification=True, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise DamagedTableError(path, " ".join(str(error).split())) from error


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write the table above; the same predictions are the same bytes."""
    columns = {"record_id": pa.array(predictions.record_ids, pa.string()), "target": pa.array(predictions.target)}
    for role in ROLES:
        if role in predictions.answers:
            columns[role] = _column(predictions.answers[role])
    with new_file(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd", write_page_checksum=True)


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises:
        DamagedTableError: the bytes are not those that were written.
    """
    table = read_table(path)
    return Predictions(
        table["record_id"].to_pylist(),
        table["target"].to_numpy(),
        {role: _answers(table[role]) for role in ROLES if role in table.column_names},
    )


def _column(answers: Floats) -> pa.Array:
    values = pa.array(np.ascontiguousarray(answers, np.float32).ravel(), pa.float32())
    if answers.ndim == 1:
        return values
    return pa.FixedSizeListArray.from_arrays(values, answers.shape[1])


def _answers(column: pa.ChunkedArray) -> Floats:
    if not pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.to_numpy(), np.float32)
    flat = column.combine_chunks().flatten().to_numpy()
    return np.asarray(flat, np.float32).reshape(len(column), column.type.list_size)
