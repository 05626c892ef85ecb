"""Files of any size scored by a version, in chunks: one row for each record, in order, stamped with what answered.

    record_id      string    the declared id, else a hash
    label          string    the likeliest class;  for regression: prediction, float
    probabilities  struct    one float for each class
    version        string    what answered; null where nothing did
    problem        string    why nothing did, in the service's words; null where there is an answer

The file's metadata names workload, version, model_sha256 and contract_sha256.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import new_file
from gristmill.runs.loading import Loaded
from gristmill.runs.parts import files_below

if TYPE_CHECKING:
    from gristmill.kinds.contract import Records

_ROWS_AT_ONCE = 1024
"""As many as are evaluated at once: the memory of one chunk, whatever the network makes of it."""
_SHOWN = 3


class PredictionError(GristmillError):
    """Files that cannot be scored; nothing was written."""


class Predicted(NamedTuple):
    """What became of some files."""

    n_rows: int
    n_answered: int
    refusals: list[str]
    """The first of them, in the service's words."""
    problems: list[str]
    """What is wrong with files as a whole."""
    notes: list[str]
    """How files were read, where that is not plain."""

    @property
    def is_whole(self) -> bool:
        """Whether everything was read and answered."""
        return self.n_answered == self.n_rows and not self.problems


def parts_to_score(files: Sequence[Path], out: Path) -> dict[str, Path]:
    """The files that were given, a folder standing for those below it, by what they are called in sentences.

    Raises:
        PredictionError: one is missing, or `out` is no place for the answers.
    """
    if out.suffix != ".parquet":
        raise PredictionError(f"{out} is to be a Parquet file: let its name end in .parquet. Nothing was written.")
    parts: dict[str, Path] = {}
    for path in files:
        if not path.exists():
            raise PredictionError(f"{path} does not exist. Nothing was written.")
        below = {str(path / name): file for name, file in files_below(path).items()} if path.is_dir() else {}
        found = below or {str(path): path}
        if both := next(iter(parts.keys() & found.keys()), None):
            raise PredictionError(f"{both} is named twice. Name it once; nothing was written.")
        parts |= found
    if strange := next((name for name, path in parts.items() if not path.is_file()), None):
        raise PredictionError(f"{strange} holds no files, or is none (a pipe, a device). Nothing was written.")
    if out.is_dir() or out.resolve() in {path.resolve() for path in parts.values()}:
        what = "a folder" if out.is_dir() else "one of the files to be scored"
        raise PredictionError(f"{out} is {what}. Give the answers a name of their own; nothing was written.")
    return parts


def count_records(loaded: Loaded, parts: Mapping[str, Path]) -> int:
    """How many records files hold, without reading them for good."""
    records: Records = importlib.import_module(f"gristmill.kinds.{loaded.predictor.contract['kind']}.records")
    return records.count_rows(list(parts.values()), loaded.settings)


def predict_files(loaded: Loaded, parts: Mapping[str, Path], out: Path, advance: Callable[[int], None]) -> Predicted:
    """Score files and write the answers as Parquet, whole or not at all.

    Args:
        loaded: by what.
        parts: what would land; no target is needed.
        out: where the answers go.
        advance: told of rows that are done.

    Raises:
        PredictionError: no record could be answered.
    """
    problems: list[str] = []
    notes: list[str] = []
    refusals: list[str] = []
    n_rows = n_answered = 0
    schema = _schema(loaded)
    with new_file(out) as temporary:
        with pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer:
            for rows in loaded.questions.read(parts, loaded.settings, loaded.predictor.contract, problems, notes):
                answered = _answered(loaded, rows, schema)
                writer.write_table(answered)
                told = pc.drop_null(answered["problem"])
                refusals += told.slice(0, _SHOWN - len(refusals)).to_pylist()
                n_rows += len(rows)
                n_answered += len(rows) - len(told)
                advance(len(rows))
        if not n_answered:
            raise PredictionError(_nothing(n_rows, [*problems, *refusals]))
    return Predicted(n_rows, n_answered, refusals, problems, notes)


def _nothing(n_rows: int, sentences: Sequence[str]) -> str:
    found = f"none of {n_rows:,} records could be answered" if n_rows else "no record was found"
    return f"{found}, and nothing was written: {'; '.join(sentences[:_SHOWN]) or 'the files are empty'}"


def _schema(loaded: Loaded) -> pa.Schema:
    contract, manifest = loaded.predictor.contract, loaded.predictor.manifest
    answer: dict[str, pa.DataType] = {"prediction": pa.float32()}
    if contract["task"] == "classification":
        probabilities = pa.struct([(name, pa.float32()) for name in contract["classes"]])
        answer = {"label": pa.string(), "probabilities": probabilities}
    columns = {"record_id": pa.string(), **answer, "version": pa.string(), "problem": pa.string()}
    stamp = {
        "workload": loaded.version.workload,
        "version": loaded.version.version,
        "model_sha256": loaded.version.model_sha256,
        "contract_sha256": manifest["contract_sha256"],
    }
    return pa.schema(columns, stamp)


def _answered(loaded: Loaded, rows: pa.Table, schema: pa.Schema) -> pa.Table:
    sound = pc.is_null(rows["problem"])
    place = pc.if_else(sound, pc.cumulative_sum(sound.cast(pa.int64())), None)
    place = pc.subtract(place, 1)  # of a row among those that are answered; null: take gives null
    answers = _answers(loaded, rows.filter(sound))
    columns = {name: answer.take(place.combine_chunks()) for name, answer in answers.items()}
    version = pc.if_else(sound, loaded.version.version, None)
    found = {"record_id": rows["record_id"], **columns, "version": version, "problem": rows["problem"]}
    return pa.table({name: found[name] for name in schema.names}, schema)


def _answers(loaded: Loaded, rows: pa.Table) -> dict[str, pa.Array]:
    """The answer to each row, by column."""
    contract = loaded.predictor.contract
    outputs = [_ask(loaded, rows.slice(start, _ROWS_AT_ONCE)) for start in range(0, len(rows), _ROWS_AT_ONCE)]
    if contract["task"] == "regression":
        return {"prediction": pa.array(np.concatenate([np.empty(0, np.float32), *outputs]), pa.float32())}
    classes = contract["classes"]
    probabilities = np.concatenate([np.empty((0, len(classes)), np.float32), *outputs])
    labels = pa.array(classes, pa.string()).take(pa.array(probabilities.argmax(axis=1)))
    by_class = [pa.array(column, pa.float32()) for column in probabilities.T]
    return {"label": labels, "probabilities": pa.StructArray.from_arrays(by_class, classes)}


def _ask(loaded: Loaded, rows: pa.Table) -> NDArray[np.float32]:
    contract = loaded.predictor.contract
    return loaded.predictor.run(loaded.predictor.encode(loaded.tensors.columns(rows, contract), contract))
