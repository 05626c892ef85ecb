from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gristmill.training import export as export_module
from gristmill.training.export import ParityError, check_parity, export, predict_onnx
from gristmill.training.prepared import Split

CONTRACT = {"task": "classification", "classes": ["a", "b"], "inputs": [{"name": "x"}]}


def rows(n: int = 50) -> Split:
    return Split({"x": torch.randn(n, 4, generator=torch.Generator().manual_seed(0))}, torch.zeros(n).long())


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 2))


def test_the_weights_come_back_from_safetensors(tmp_path: Path) -> None:
    model = network()
    export(tmp_path, model, CONTRACT, rows())
    weights = load_file(tmp_path / "model.safetensors")
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in weights.items())


def test_onnx_answers_with_the_probabilities_of_torch(tmp_path: Path) -> None:
    model = network().eval()
    export(tmp_path, model, CONTRACT, rows())
    with torch.no_grad():
        expected = model(rows().inputs["x"]).softmax(1).numpy()
    np.testing.assert_allclose(predict_onnx(tmp_path / "model.onnx", rows().inputs), expected, atol=1e-5)


def test_nothing_in_onnx_says_where_it_was_made(tmp_path: Path) -> None:
    export(tmp_path, network(), CONTRACT, rows())
    model = onnx.load(tmp_path / "model.onnx")
    assert not model.metadata_props
    assert not model.doc_string
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)


class _Lying(nn.Module):
    """Answers one thing to torch, and another to who exports it."""

    lie: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("lie", torch.tensor([0.001, 0.0]))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :2] + self.lie if torch.onnx.is_in_onnx_export() else x[:, :2]


def test_a_network_that_is_exported_wrongly_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="answers otherwise than the trained one"):
        export(tmp_path, _Lying(), CONTRACT, rows())


@pytest.mark.parametrize(
    ("exported", "refused"),
    [([0.5, 0.5], False), ([0.50009, 0.49991], False), ([0.5002, 0.4998], True), ([float("nan"), 0.5], True)],
)
def test_probabilities_may_differ_by_less_than_the_tolerance(exported: list[float], refused: bool) -> None:
    expected = np.array([[0.5, 0.5]], np.float32)
    if refused:
        with pytest.raises(ParityError):
            check_parity(expected, np.array([exported], np.float32), "classification")
    else:
        check_parity(expected, np.array([exported], np.float32), "classification")


def test_answers_of_another_shape_are_refused() -> None:
    with pytest.raises(ParityError):
        check_parity(np.zeros((4, 2)), np.zeros((4, 1)), "classification")


def test_parity_of_a_regression_is_measured_in_the_spread_of_its_answers() -> None:
    expected = np.array([1e6, 2e6, 3e6])
    check_parity(expected, expected + 10, "regression")
    with pytest.raises(ParityError):
        check_parity(expected, expected + 1000, "regression")


def test_the_tolerance_is_the_declared_one() -> None:
    assert export_module.TOLERANCE == 1e-4
