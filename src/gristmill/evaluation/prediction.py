"""Models as they are served: ONNX Runtime, each asked through the encoding of its own contract.

What is judged is what is served, so the ONNX file predicts and not the network it came from; and a file counts only if it
is the one that its manifest names by hash. One thread that does not spin, and rows in chunks of one fixed size: the same
model and rows give the same bits, in the memory of one chunk.
"""

# N records, C classes
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gristmill.evaluation.metrics import Floats
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import content_sha256, file_sha256, read_json
from gristmill.ground.onnx_runtime import open_session

_CHUNK_ROWS = 1024


class ModelFileError(GristmillError):
    """A model folder whose files are not those that its manifest names."""

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(folder, problem)

    def __str__(self) -> str:
        folder, problem = self.args
        workload, role = folder.parent.name, folder.name
        mend = (
            f"`dvc repro -f -s train@{workload}` makes it again"
            if role == "challenger"
            else f"remove models/{workload}/{role}, and `gristmill pull` brings it again"
        )
        return f"models/{workload}/{role}: {problem}. Nothing was evaluated; {mend}."


class ModelAnswerError(GristmillError):
    """A whole model that cannot answer these records."""


class Encoding(Protocol):
    """The phase `tensors` of a kind, as far as predictions need it."""

    def columns(self, rows: Any, contract: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """Payload columns of a table."""

    def encode(self, columns: dict[str, NDArray[Any]], contract: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """The model's inputs by name."""


@dataclass(frozen=True)
class Model:
    """A verified model folder."""

    folder: Path
    manifest: Mapping[str, Any]
    contract: dict[str, Any]
    trained_on: frozenset[str]
    """record_ids of train and validation."""

    @property
    def sha256(self) -> str:
        """The model's identity: the hash of its safetensors."""
        return str(self.manifest["model_sha256"])

    @property
    def answers_alike(self) -> tuple[str, str]:
        """Two folders with the same hashes of ONNX file and contract answer everything alike."""
        return str(self.manifest["onnx_sha256"]), str(self.manifest["contract_sha256"])


def read_model(folder: Path) -> Model | None:
    """Read and verify a model folder; None where an alias says that there is no model yet.

    Raises:
        ModelFileError: a file is missing, unreadable, or not the one that the manifest names.
    """
    try:
        manifest = read_json(folder / "manifest.json")
        if manifest["model_sha256"] is None:
            return None
        contract = read_json(folder / "contract.json")
        trained_on = frozenset((folder / "trained_on.txt").read_text("utf-8").split("\n")) - {""}
        found = {
            "model.safetensors": (file_sha256(folder / "model.safetensors"), manifest["model_sha256"]),
            "model.onnx": (file_sha256(folder / "model.onnx"), manifest["onnx_sha256"]),
            "contract.json": (content_sha256(contract), manifest["contract_sha256"]),
        }
    except FileNotFoundError as error:
        raise ModelFileError(folder, f"{Path(error.filename).name} is missing") from error
    except KeyError as error:
        raise ModelFileError(folder, f"manifest.json does not say {error.args[0]}") from error
    except (OSError, ValueError) as error:
        raise ModelFileError(folder, f"a file is not readable ({error})") from error
    for name, (sha256, named) in found.items():
        if sha256 != named:
            raise ModelFileError(folder, f"{name} is not the file that manifest.json names by its hash")
    return Model(folder, manifest, contract, trained_on)


def predict(model: Model, encoding: Encoding, rows: Any) -> Floats:
    """Ask a model about raw rows.

    Args:
        rows: a pyarrow table of raw records; they are encoded under the model's own contract.

    Returns:
        Probabilities [N, C] in the order of the model's own classes, or predictions [N]; float32.

    Raises:
        GristmillError: the rows cannot be encoded under this contract, or the answers are no answers.
    """
    run = _session(model)
    chunks = []
    for start in range(0, len(rows), _CHUNK_ROWS):
        chunk = rows.slice(start, _CHUNK_ROWS)
        answers = run(_encode(model, encoding, chunk))
        _check(answers, len(chunk), model)
        chunks.append(answers)
    return np.concatenate(chunks) if chunks else np.empty(_shape(model, 0), np.float32)


def in_classes(answers: Floats, known: list[str], today: list[str]) -> Floats:
    """Put probabilities [N, C] in the order of today's classes, by name.

    A class that the model does not know has probability 0; what it gives to a class that no longer exists is left out, so
    that a row may sum to less than 1.
    """
    aligned = np.zeros((len(answers), len(today)), np.float32)
    for index, name in enumerate(today):
        if name in known:
            aligned[:, index] = answers[:, known.index(name)]
    return aligned


def _encode(model: Model, encoding: Encoding, rows: Any) -> dict[str, NDArray[Any]]:
    try:
        return encoding.encode(encoding.columns(rows, model.contract), model.contract)
    except KeyError as error:
        raise ModelAnswerError(f"the records lack a column that its contract asks for ({error.args[0]})") from error
    except (TypeError, ValueError) as error:
        raise ModelAnswerError(f"the records do not fit its contract ({_one_line(error)})") from error


def _session(model: Model) -> Callable[[dict[str, NDArray[Any]]], Floats]:
    try:
        session = open_session(model.folder / "model.onnx")
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise ModelAnswerError(f"ONNX Runtime cannot load model.onnx ({_one_line(error)})") from error

    def run(inputs: dict[str, NDArray[Any]]) -> Floats:
        try:
            (answers,) = session.run(None, inputs)
        except Exception as error:
            raise ModelAnswerError(f"ONNX Runtime cannot answer with model.onnx ({_one_line(error)})") from error
        return np.asarray(answers, np.float32)

    return run


def _shape(model: Model, n_rows: int) -> tuple[int, ...]:
    return (n_rows, len(model.contract["classes"])) if model.contract["task"] == "classification" else (n_rows,)


def _check(answers: Floats, n_rows: int, model: Model) -> None:
    if answers.shape != (expected := _shape(model, n_rows)):
        raise ModelAnswerError(f"model.onnx answers with shape {list(answers.shape)}, expected {list(expected)}")
    if not math.isfinite(float(answers.sum())):
        raise ModelAnswerError("model.onnx answers with numbers that are not finite")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
