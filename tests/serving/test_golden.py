"""The golden batch: a model that answers otherwise than when it was packaged does not answer at all."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.toy_models import IMAGES, TABULAR, write_bento

from gristmill.ground.files import file_sha256, read_json, write_json
from gristmill.serving.golden import FILE, check_golden, golden_batch
from gristmill.serving.live import Live, load_serving
from gristmill.serving.predictor import ModelError, Predictor, load_predictor


def packaged(folder: Path, contract: dict[str, Any], seed: int = 0) -> Path:
    source = write_bento(folder, contract, seed)
    golden = golden_batch(load_predictor(source / "model"))
    (source / "model" / FILE).write_bytes(golden)
    package = read_json(source / "package.json")
    write_json(source / "package.json", package | {"golden_sha256": hashlib.sha256(golden).hexdigest()})
    return source


@pytest.mark.parametrize("contract", [IMAGES, TABULAR], ids=["images", "tabular"])
def test_it_is_the_same_each_time_holds_no_data_and_is_answered_alike(tmp_path: Path, contract: dict[str, Any]) -> None:
    source = packaged(tmp_path / "one", contract)
    load_serving(source)
    predictor = load_predictor(source / "model")
    assert golden_batch(predictor) == (source / "model" / FILE).read_bytes()
    golden = json.loads(golden_batch(predictor))
    assert len(golden["output"]) >= 8
    assert len({tuple(row) for row in golden["output"]}) > 4, "it asks more than one thing"


@pytest.mark.parametrize("off", [2e-3, float("nan")])
def test_a_model_that_answers_otherwise_is_refused(tmp_path: Path, off: float) -> None:
    source = packaged(tmp_path / "one", IMAGES)
    honest = load_predictor(source / "model")
    lying = Predictor(**{**vars(honest), "run": lambda inputs: honest.run(inputs) + np.float32(off)})
    sha256 = file_sha256(source / "model" / FILE)
    check_golden(source / "model", honest, sha256)
    with pytest.raises(ModelError, match="answers its golden batch otherwise than when it was packaged"):
        check_golden(source / "model", lying, sha256)


def test_another_models_weights_under_a_manifest_that_names_them_are_refused(tmp_path: Path) -> None:
    source, other = packaged(tmp_path / "one", IMAGES), packaged(tmp_path / "two", IMAGES, seed=5)
    onnx = (other / "model" / "model.onnx").read_bytes()
    (source / "model" / "model.onnx").write_bytes(onnx)
    manifest = read_json(source / "model" / "manifest.json")
    write_json(source / "model" / "manifest.json", manifest | {"onnx_sha256": hashlib.sha256(onnx).hexdigest()})
    live = Live(source, None)
    live.start()
    assert live.current is None
    assert "golden batch otherwise" in (live.refusal or "")


def test_a_batch_that_is_not_the_one_it_was_packaged_with_is_refused(tmp_path: Path) -> None:
    source = packaged(tmp_path / "one", IMAGES)
    (source / "model" / FILE).write_bytes(b"{}")
    with pytest.raises(ModelError, match=r"golden\.json is not the file"):
        load_serving(source)
    (source / "model" / FILE).unlink()
    with pytest.raises(ModelError, match=r"golden\.json is missing"):
        load_serving(source)
