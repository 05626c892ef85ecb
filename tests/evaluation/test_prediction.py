"""A model counts only if it is the one its manifest names, and answers as it is served."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.toy_models import IMAGES, TABULAR, weights, write_model

from gristmill.evaluation.prediction import ModelAnswerError, ModelFileError, in_classes, predict, read_model
from gristmill.ground.errors import GristmillError
from gristmill.ground.files import file_sha256, read_json, write_json

tabular: Any = importlib.import_module("gristmill.kinds.tabular.tensors")
images: Any = importlib.import_module("gristmill.kinds.images.tensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "toy" / "champion"
    write_model(folder, TABULAR)
    return folder


def customers(n: int) -> pa.Table:
    return pa.table({"Age": np.arange(n) % 70, "Amount": np.arange(n) * 1.5, "Housing": ["Own", "Rent"] * (n // 2)})


def expected(n: int) -> np.ndarray:
    """What the toy model answers, computed by hand."""
    x = np.stack([np.arange(n) % 70, np.arange(n) * 1.5, np.arange(n) % 2 + 1], axis=1)
    logits = x @ weights(TABULAR, 0)
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))


def test_rows_of_several_chunks_are_answered_in_their_order(folder: Path) -> None:
    model = read_model(folder)
    assert model is not None
    assert predict(model, tabular, customers(3000)) == pytest.approx(expected(3000), abs=1e-5)


def test_no_rows_have_no_answers(folder: Path) -> None:
    model = read_model(folder)
    assert model is not None
    assert predict(model, tabular, customers(2).slice(0, 0)).shape == (0, 2)


def test_an_alias_that_says_none_is_no_model(tmp_path: Path) -> None:
    write_json(tmp_path / "manifest.json", {"model_sha256": None})
    assert read_model(tmp_path) is None


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "contract.json"])
def test_a_file_that_the_manifest_does_not_name_is_refused(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content.replace(b"Good", b"Fine") if name == "contract.json" else content + b"\0")
    with pytest.raises(ModelFileError, match=rf"models/toy/champion: {name} is not the file that manifest\.json names"):
        read_model(folder)


@pytest.mark.parametrize(
    "name", ["model.onnx", "model.safetensors", "contract.json", "trained_on.txt", "manifest.json"]
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match=rf"{name} is missing.*gristmill pull"):
        read_model(folder)


def test_a_manifest_that_says_too_little_is_refused(folder: Path) -> None:
    manifest = read_json(folder / "manifest.json")
    del manifest["onnx_sha256"]
    write_json(folder / "manifest.json", manifest)
    with pytest.raises(ModelFileError, match=r"manifest\.json does not say onnx_sha256"):
        read_model(folder)


def test_rows_without_a_column_of_the_contract_are_named(folder: Path) -> None:
    model = read_model(folder)
    assert model is not None
    with pytest.raises(ModelAnswerError, match=r"lack a column.*Amount"):
        predict(model, tabular, customers(4).drop_columns(["Amount"]))


def test_images_of_another_size_do_not_fit(tmp_path: Path) -> None:
    write_model(tmp_path, IMAGES)
    model = read_model(tmp_path)
    assert model is not None
    photograph = pa.table({"record_id": ["photo-1"], "pixels": [bytes(25)], "height": [5], "width": [5]})
    with pytest.raises(GristmillError, match="photo-1"):
        predict(model, images, photograph)


def test_a_column_of_another_type_does_not_fit(folder: Path) -> None:
    model = read_model(folder)
    assert model is not None
    ages = pa.array(["young", "old", "young", "old"])
    with pytest.raises(ModelAnswerError, match="do not fit its contract"):
        predict(model, tabular, customers(4).set_column(0, "Age", ages))


def test_a_file_that_is_no_model_is_one_sentence(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"not a model")
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", {**manifest, "onnx_sha256": file_sha256(folder / "model.onnx")})
    model = read_model(folder)
    assert model is not None
    with pytest.raises(ModelAnswerError, match=r"ONNX Runtime cannot load model\.onnx"):
        predict(model, tabular, customers(2))


def test_classes_are_matched_by_name_and_not_by_place() -> None:
    answers = np.array([[0.5, 0.3, 0.2]], np.float32)
    aligned = in_classes(answers, ["boot", "coat", "sock"], ["coat", "boot", "shirt"])
    assert aligned.tolist() == [pytest.approx([0.3, 0.5, 0.0])]
