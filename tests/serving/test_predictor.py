"""A model folder, loaded and asked."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.toy_models import IMAGES, TABULAR, weights, write_model

from gristmill.ground.files import file_sha256, read_json, write_json
from gristmill.serving.predictor import ModelError, load_predictor


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def test_an_answer_is_the_models_own_probabilities_by_class_name(tmp_path: Path) -> None:
    write_model(tmp_path, IMAGES, seed=3)
    images = np.random.default_rng(0).integers(0, 256, size=(5, 4, 3))
    expected = softmax(images.reshape(5, 12) @ weights(IMAGES, 3))
    predictions = load_predictor(tmp_path).predict({"images": images.tolist()})
    got = [[prediction["probabilities"][name] for name in IMAGES["classes"]] for prediction in predictions]
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert [p["label"] for p in predictions] == [IMAGES["classes"][i] for i in expected.argmax(axis=1)]


def test_a_table_is_answered_in_the_order_of_its_rows_with_nulls_in_it(tmp_path: Path) -> None:
    write_model(tmp_path, TABULAR)
    rows = [
        {"Age": 20, "Amount": 3.5, "Housing": "Rent"},
        {"Age": None, "Amount": 1e3, "Housing": None},
    ]
    predictor = load_predictor(tmp_path)
    both = predictor.predict({"rows": rows})
    for row, answer in zip(rows, both, strict=True):
        assert predictor.predict({"rows": [row]})[0]["probabilities"] == pytest.approx(answer["probabilities"])
    assert both[0] != both[1]


@pytest.mark.parametrize("name", ["model.onnx", "contract.json", "manifest.json"])
def test_a_folder_that_lacks_a_file_is_refused_by_the_files_name(tmp_path: Path, name: str) -> None:
    write_model(tmp_path, IMAGES)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        load_predictor(tmp_path)


def test_one_flipped_byte_in_the_model_is_found(tmp_path: Path) -> None:
    write_model(tmp_path, IMAGES)
    content = bytearray((tmp_path / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx is not the file"):
        load_predictor(tmp_path)


def test_a_contract_that_was_edited_is_found(tmp_path: Path) -> None:
    write_model(tmp_path, IMAGES)
    write_json(tmp_path / "contract.json", IMAGES | {"classes": ["boot", "bag", "coat"]})
    with pytest.raises(ModelError, match=r"contract\.json is not the one"):
        load_predictor(tmp_path)


def rewrite_model(folder: Path, change: Any) -> None:
    """Edit the graph and let the manifest say that this is the model."""
    model = onnx.load(folder / "model.onnx")
    change(model.graph)
    onnx.save(model, folder / "model.onnx")
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", manifest | {"onnx_sha256": file_sha256(folder / "model.onnx")})


def test_a_model_that_answers_nan_is_not_served(tmp_path: Path) -> None:
    def spoil(graph: onnx.GraphProto) -> None:
        graph.initializer[0].raw_data = np.full((12, 3), np.nan, dtype=np.float32).tobytes()

    write_model(tmp_path, IMAGES)
    rewrite_model(tmp_path, spoil)
    with pytest.raises(ModelError, match=r"it answered .*nan"):
        load_predictor(tmp_path)


def test_a_model_that_answers_logits_is_not_served(tmp_path: Path) -> None:
    def drop_softmax(graph: onnx.GraphProto) -> None:
        del graph.node[-1]
        graph.node.append(helper.make_node("Identity", ["logits"], ["probabilities"]))

    write_model(tmp_path, IMAGES)
    rewrite_model(tmp_path, drop_softmax)
    with pytest.raises(ModelError, match="probabilities sum to"):
        load_predictor(tmp_path)


def test_a_model_with_more_answers_than_classes_is_not_served(tmp_path: Path) -> None:
    def widen(graph: onnx.GraphProto) -> None:
        graph.initializer[0].CopyFrom(helper.make_tensor("w", TensorProto.FLOAT, [12, 4], [0.0] * 48))
        graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4

    write_model(tmp_path, IMAGES)
    rewrite_model(tmp_path, widen)
    with pytest.raises(ModelError, match="asked for its own example"):
        load_predictor(tmp_path)


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_answering_loads_no_library_of_training_data_or_flows(tmp_path: Path, kind: str) -> None:
    write_model(tmp_path, {"images": IMAGES, "tabular": TABULAR}[kind])
    code = f"""
import json, sys
from pathlib import Path
import gristmill.serving.app
from gristmill.serving.predictor import load_predictor
predictor = load_predictor(Path({str(tmp_path)!r}))
predictor.predict(predictor.example)
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"numpy", "onnxruntime", "orjson", "starlette"} <= loaded
    assert not loaded & {"bentoml", "dvc", "great_expectations", "pandas", "prefect", "pyarrow", "torch"}
