"""The model as files: safetensors for its identity, ONNX for everyone who predicts, and proof that both say the same.

ONNX comes from torch's TorchScript exporter. Measured on torch 2.13 with the image network: 0.1 s and bytes that depend on
nothing but the weights; the newer exporter (`dynamo=True`) takes 2.5 s and writes stack traces with paths into its nodes.
It is deprecated: when a release drops it, `_write_onnx` is the one place to change (metadata is stripped in any case).
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gristmill.ground.errors import GristmillError
from gristmill.ground.onnx_runtime import open_session
from gristmill.training.prepared import Split

TOLERANCE = 1e-4
"""Greatest difference in a probability; for a regression, in standard deviations of the answers."""
_PARITY_ROWS = 4096
_OPSET = 20


class ParityError(GristmillError):
    """ONNX Runtime and torch disagree about the same model."""

    def __init__(self, difference: float) -> None:
        super().__init__(difference)

    def __str__(self) -> str:
        return (
            f"the exported model answers otherwise than the trained one: {self.args[0]:.3g} apart, allowed {TOLERANCE:g}. "
            "An operation of the network is exported wrongly; replace it in kinds/<kind>/network."
        )


class Answering(nn.Module):
    """The model as it is asked: probabilities instead of logits, or the prediction itself."""

    def __init__(self, model: nn.Module, task: str) -> None:
        super().__init__()
        self.model = model
        self.task = task

    def forward(self, *inputs: Tensor) -> Tensor:
        output: Tensor = self.model(*inputs)
        return torch.softmax(output, 1) if self.task == "classification" else output


def export(folder: Path, model: nn.Module, contract: dict[str, Any], rows: Split) -> None:
    """Write model.safetensors and model.onnx into a folder.

    Args:
        rows: real ones, on which both must answer alike.

    Raises:
        ParityError: they do not.
    """
    rows = rows.to(torch.device("cpu")).rows(slice(0, _PARITY_ROWS))
    answering = Answering(model.to("cpu"), contract["task"]).eval()
    weights = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    _write_onnx(folder / "model.onnx", answering, rows.rows(slice(0, 2)))
    with torch.no_grad():
        expected = answering(*rows.inputs.values()).numpy()
    check_parity(expected, predict_onnx(folder / "model.onnx", rows.inputs), contract["task"])


def predict_onnx(path: Path, inputs: dict[str, Tensor]) -> np.ndarray[Any, Any]:
    """Ask the ONNX model, on one thread as in production."""
    (answer,) = open_session(path).run(None, {name: value.numpy() for name, value in inputs.items()})
    return np.asarray(answer)


def check_parity(expected: np.ndarray[Any, Any], exported: np.ndarray[Any, Any], task: str) -> None:
    """Compare the answers of torch and ONNX Runtime.

    Raises:
        ParityError: other shapes, a NaN, or a difference beyond the tolerance.
    """
    if expected.shape != exported.shape:
        raise ParityError(float("inf"))
    unit = 1.0 if task == "classification" else max(float(np.std(expected)), 1e-6)
    difference = float(np.abs(expected.astype(np.float64) - exported).max()) / unit
    if not difference < TOLERANCE:  # so that NaN is refused
        raise ParityError(difference)


def _write_onnx(path: Path, answering: Answering, example: Split) -> None:
    output = "probabilities" if answering.task == "classification" else "prediction"
    names = list(example.inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # see the module's docstring
        torch.onnx.export(
            answering,
            tuple(example.inputs.values()),
            path,
            dynamo=False,
            input_names=names,
            output_names=[output],
            dynamic_axes={name: {0: "N"} for name in [*names, output]},
            opset_version=_OPSET,
        )
    model = onnx.load(path)
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _strip(model: Any) -> None:
    """Remove what says where and how the model was exported, and not what it is."""
    del model.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        value.doc_string = ""
        del value.metadata_props[:]
