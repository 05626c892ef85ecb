"""Images as the model takes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gristmill.ground.settings import SettingsError
from gristmill.kinds.images.tensors import PrepareSettings, columns, contract, encode, targets
from gristmill.kinds.images.tensors.encoding import UnfitImageError

SETTINGS: dict[str, Any] = {"classes": ["cat", "dog", "owl"], "height": 2, "width": 3}
CONTRACT = contract(PrepareSettings(**SETTINGS))
PICTURES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3) * 10


def rows(**changed: list[Any]) -> pa.Table:
    sound = {
        "record_id": ["a", "b", "c", "d"],
        "target": [0, 2, 1, 0],
        "pixels": [picture.tobytes() for picture in PICTURES],
        "height": [2] * 4,
        "width": [3] * 4,
    }
    return pa.table({**sound, **changed})


def test_the_contract_says_what_is_asked_and_answered() -> None:
    assert CONTRACT == {
        "kind": "images",
        "task": "classification",
        "classes": ["cat", "dog", "owl"],
        "image": {"height": 2, "width": 3},
        "inputs": [{"name": "images", "dtype": "uint8", "shape": ["N", 2, 3]}],
    }


def test_pixels_reach_the_model_as_the_bytes_they_are() -> None:
    inputs = encode(columns(rows(), CONTRACT), CONTRACT)
    assert list(inputs) == ["images"]
    assert inputs["images"].dtype == np.uint8
    assert (inputs["images"] == PICTURES).all()


def test_no_rows_make_inputs_of_the_right_shape() -> None:
    assert encode(columns(rows().slice(0, 0), CONTRACT), CONTRACT)["images"].shape == (0, 2, 3)
    assert targets(rows().slice(0, 0), CONTRACT).dtype == np.int64


def test_a_label_is_an_index_into_the_classes() -> None:
    labels = targets(rows(), CONTRACT)
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 2, 1, 0]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"pixels": [b"123456", None, b"123456", b"123456"]}, "image b has no pixels, and the contract needs 2 x 3"),
        ({"height": [2, 2, 3, 2], "width": [3, 3, 2, 3]}, "image c is 3 x 2 pixels, and the contract needs 2 x 3"),
    ],
)
def test_an_image_of_another_size_is_refused_and_never_reshaped(changed: dict[str, list[Any]], sentence: str) -> None:
    with pytest.raises(UnfitImageError, match=sentence):
        columns(rows(**changed), CONTRACT)


@pytest.mark.parametrize(
    ("label", "sentence"), [(3, "b has the label 3"), (-1, "b has the label -1"), (None, "no label")]
)
def test_a_label_that_is_no_class_is_named_with_its_record(label: int | None, sentence: str) -> None:
    with pytest.raises(UnfitImageError, match=sentence + ".* the contract needs 0 to 2"):
        targets(rows(target=[0, label, 1, 0]), CONTRACT)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"holdout_fraction": 0.5}, r"prepare.holdout_fraction is 0.5: .* less than 0.5"),
        ({"validation_fraction": 0}, r"prepare.validation_fraction is 0: .* greater than 0"),
        ({"classes": ["cat"]}, "prepare.classes is"),
        ({"classes": ["cat", "cat"]}, "two classes have the same name"),
        ({"hold_out": 0.1}, "prepare.hold_out is not a parameter"),
    ],
)
def test_a_wrong_setting_is_named_with_its_range(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        PrepareSettings.parse(Path("params/birds.yaml"), "prepare", {**SETTINGS, **values})
