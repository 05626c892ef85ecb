"""A model that answers requests: the ONNX file, and the contract that says what may be asked.

ONNX Runtime because it starts in a tenth of torch's time, takes a quarter of its memory and runs no code from the file.
One thread that does not spin: with two, on a busy machine, one answer cost twenty times the CPU (measured).
"""

import hashlib
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import content_sha256, read_json
from gristmill.ground.onnx_runtime import open_session


class ModelError(GristmillError):
    """A model folder that cannot be served."""

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(folder, problem)

    def __str__(self) -> str:
        folder, problem = self.args
        return f"the model in {folder.name}/ cannot be served: {problem}. Package and deploy it again."


class Raw(NamedTuple):
    """A request that is no JSON."""

    media_type: str
    content: bytes


class MediaTypeError(GristmillError):
    """A request in a form that this kind of model does not take."""

    def __str__(self) -> str:
        given, known = self.args
        return f"the content type {given} is not taken here; send {' or '.join(['application/json', *known])}."


@dataclass(frozen=True)
class Predictor:
    """A loaded model; safe to ask from several threads."""

    contract: dict[str, Any]
    manifest: dict[str, Any]
    schema: dict[str, Any]
    """JSON Schema of a request."""
    example: dict[str, Any]
    """A request that this model answers."""
    sample: Callable[[dict[str, Any]], dict[str, Any]]
    """A request of several items, made by chance; the same at each call."""
    parse: Callable[[Any, dict[str, Any]], dict[str, np.ndarray]]
    media: Mapping[str, Callable[[bytes, dict[str, Any]], dict[str, np.ndarray]]]
    """Likewise for requests that are no JSON, by their content type."""
    encode: Callable[[dict[str, np.ndarray], dict[str, Any]], dict[str, np.ndarray]]
    run: Callable[[dict[str, np.ndarray]], np.ndarray]
    """The model's inputs by name to its one output, [N, C] probabilities or [N] predictions."""

    def predict(self, request: Any) -> list[dict[str, Any]]:
        """Answer each item of a request, in its order.

        Raises:
            GristmillError: the request is not one that the contract allows; the sentence is meant for the caller.
        """
        return self.answer(self.columns(request))

    def columns(self, request: Any) -> dict[str, np.ndarray]:
        """What is asked, by column: of decoded JSON, or of raw bytes.

        Raises:
            MediaTypeError: raw bytes of a type that this kind does not read.
            GristmillError: the request is not one that the contract allows; the sentence is meant for the caller.
        """
        if not isinstance(request, Raw):
            return self.parse(request, self.contract)
        if (read := self.media.get(request.media_type)) is None:
            raise MediaTypeError(request.media_type, list(self.media))
        return read(request.content, self.contract)

    def answer(self, columns: dict[str, np.ndarray]) -> list[dict[str, Any]]:
        """Answer each item of columns that `columns` gave, in their order."""
        output = self.run(self.encode(columns, self.contract))
        if self.contract["task"] == "regression":
            return [{"prediction": value} for value in output.tolist()]
        classes = self.contract["classes"]
        labels = output.argmax(axis=1).tolist()
        return [
            {"label": classes[label], "probabilities": dict(zip(classes, row, strict=True))}
            for label, row in zip(labels, output.tolist(), strict=True)
        ]


def load_predictor(folder: Path) -> Predictor:
    """Load model.onnx, contract.json and manifest.json of a folder, verify them, and ask the model once.

    Raises:
        ModelError: a file is missing, is not the one that the manifest names, or does not answer its own example.
    """
    try:
        manifest = read_json(folder / "manifest.json")
        contract = read_json(folder / "contract.json")
        onnx = (folder / "model.onnx").read_bytes()
    except FileNotFoundError as error:
        raise ModelError(folder, f"{Path(error.filename).name} is missing") from error
    except (OSError, ValueError) as error:
        raise ModelError(folder, f"it is not readable ({type(error).__name__})") from error
    if hashlib.sha256(onnx).hexdigest() != manifest.get("onnx_sha256"):
        raise ModelError(folder, "model.onnx is not the file that manifest.json names by its hash")
    if content_sha256(contract) != manifest.get("contract_sha256"):
        raise ModelError(folder, "contract.json is not the one that manifest.json names by its hash")
    try:
        return _warm(_load(onnx, contract, manifest))
    except Exception as error:  # ONNX Runtime's own errors have no common base
        raise ModelError(folder, f"{type(error).__name__}: {' '.join(str(error).split())}") from error


def _load(onnx: bytes, contract: dict[str, Any], manifest: dict[str, Any]) -> Predictor:
    kind = contract["kind"]
    if not re.fullmatch(r"[a-z]+", kind):
        raise ValueError(f"no kind can be called {kind!r}")
    answers = importlib.import_module(f"gristmill.kinds.{kind}.answers")
    tensors = importlib.import_module(f"gristmill.kinds.{kind}.tensors")
    return Predictor(
        contract=contract,
        manifest=manifest,
        schema=answers.schema(contract),
        example=answers.example(contract),
        sample=answers.sample,
        parse=answers.parse,
        media=answers.MEDIA,
        encode=tensors.encode,
        run=_session(onnx),
    )


def _session(onnx: bytes) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    session = open_session(onnx)

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        output: np.ndarray = session.run(None, inputs)[0]
        return output

    return run


def _warm(predictor: Predictor) -> Predictor:
    """Ask the example: the first answer costs several times the next, and a model that cannot answer must not serve."""
    inputs = predictor.encode(predictor.parse(predictor.example, predictor.contract), predictor.contract)
    output = predictor.run(inputs)
    regression = predictor.contract["task"] == "regression"
    expected = (1,) if regression else (1, len(predictor.contract["classes"]))
    if output.shape != expected or not np.isfinite(output).all():
        raise ValueError(f"asked for its own example, it answered {output.tolist()}")
    if not regression and abs(float(output.sum()) - 1) > 1e-3:
        raise ValueError(f"its probabilities sum to {float(output.sum()):g}")
    return predictor
