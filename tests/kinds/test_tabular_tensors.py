"""Rows of a table as the model takes them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gristmill.ground.settings import SettingsError
from gristmill.kinds.tabular.tensors import PrepareSettings, columns, contract, encode, targets
from gristmill.kinds.tabular.tensors.encoding import UnfitTargetError

SETTINGS: dict[str, Any] = {
    "classes": ["Bad", "Good"],
    "columns": {"amount": "numeric", "purpose": ["car", "house"], "age": "numeric"},
}
CONTRACT = contract(PrepareSettings(**SETTINGS))
PRICE = contract(PrepareSettings(task="regression", columns={"purpose": ("car",)}))
ROWS = pa.table(
    {
        "record_id": ["a", "b", "c"],
        "target": ["Good", "Bad", "Good"],
        "age": [30.0, None, 50.0],
        "amount": [1.5, 2.5, None],
        "purpose": ["house", None, "boat"],
    }
)


def test_the_contract_declares_every_category_seen_or_not() -> None:
    assert CONTRACT["columns"] == [
        {"name": "amount", "type": "numeric"},
        {"name": "purpose", "type": "categorical", "categories": ["car", "house"]},
        {"name": "age", "type": "numeric"},
    ]
    assert CONTRACT["inputs"] == [
        {"name": "numeric", "dtype": "float32", "shape": ["N", 2]},
        {"name": "categorical", "dtype": "int64", "shape": ["N", 1]},
    ]


def test_columns_stand_in_the_order_of_the_contract_and_not_of_the_file() -> None:
    inputs = encode(columns(ROWS, CONTRACT), CONTRACT)
    assert inputs["numeric"].dtype == np.float32
    np.testing.assert_array_equal(inputs["numeric"], [[1.5, 30], [2.5, np.nan], [np.nan, 50]])


def test_a_category_is_its_place_in_the_contract_and_missing_or_unknown_is_0() -> None:
    codes = encode(columns(ROWS, CONTRACT), CONTRACT)["categorical"]
    assert codes.dtype == np.int64
    assert codes.tolist() == [[2], [0], [0]]


def test_what_all_is_missing_is_still_numbers() -> None:
    empty = ROWS.set_column(3, "amount", pa.nulls(3, pa.float64()))
    assert np.isnan(encode(columns(empty, CONTRACT), CONTRACT)["numeric"][:, 0]).all()


def test_no_rows_and_no_columns_of_a_type_make_inputs_of_the_right_shape() -> None:
    inputs = encode(columns(ROWS.slice(0, 0), CONTRACT), CONTRACT)
    assert (inputs["numeric"].shape, inputs["categorical"].shape) == ((0, 2), (0, 1))
    assert encode(columns(ROWS, PRICE), PRICE)["numeric"].shape == (3, 0)


def test_a_date_is_its_day_and_its_place_in_year_and_week_after_all_numbers() -> None:
    dated = contract(PrepareSettings(**{**SETTINGS, "columns": {"since": "date", "amount": "numeric"}}))
    assert dated["inputs"][0]["shape"] == ["N", 6]
    numeric = encode({"since": np.array([0.0, 7.0, np.nan]), "amount": np.array([1.5, 2.5, 3.5])}, dated)["numeric"]
    assert numeric[:, 0].tolist() == [1.5, 2.5, 3.5]
    np.testing.assert_allclose(numeric[:2, 1], [0, 7])
    np.testing.assert_allclose(
        numeric[:2, 2:4], [[0, 1], [np.sin(14 * np.pi / 365.2425), np.cos(14 * np.pi / 365.2425)]]
    )
    np.testing.assert_allclose(numeric[0, 4:], numeric[1, 4:], atol=1e-6, err_msg="a week later is the same weekday")
    assert np.isnan(numeric[2, 1:]).all()


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="age"):
        columns(ROWS.drop_columns(["age"]), CONTRACT)


def test_a_class_is_its_place_in_the_contract() -> None:
    assert targets(ROWS, CONTRACT).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("target", "sentence"), [("Ugly", "row b has the target 'Ugly'"), (None, "row b has no target")]
)
def test_a_target_that_is_no_class_is_named_with_its_record(target: str | None, sentence: str) -> None:
    with pytest.raises(UnfitTargetError, match=sentence + ".*one of Bad, Good"):
        targets(ROWS.set_column(1, "target", pa.array(["Good", target, "Bad"])), CONTRACT)


def test_a_number_to_be_predicted_is_float32_and_never_missing() -> None:
    prices = ROWS.set_column(1, "target", pa.array([1.5, 2.5, 3.5]))
    assert targets(prices, PRICE).dtype == np.float32
    assert targets(prices, PRICE).tolist() == [1.5, 2.5, 3.5]
    with pytest.raises(UnfitTargetError, match=r"row c has no target.*a number"):
        targets(ROWS.set_column(1, "target", pa.array([1.5, 2.5, None])), PRICE)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"holdout_fraction": 0}, r"prepare.holdout_fraction is 0: .* greater than 0"),
        ({"validation_fraction": 0.7}, r"prepare.validation_fraction is 0.7: .* less than 0.5"),
        ({"classes": []}, "at least two classes"),
        ({"task": "regression"}, "regression has no classes"),
        ({"columns": {"purpose": ["car", "car"]}}, "the categories of 'purpose' must be different"),
        ({"columns": {"purpose": []}}, "the categories of 'purpose' must be different"),
        ({"columns": {}}, "prepare.columns is"),
    ],
)
def test_a_wrong_setting_is_named_with_its_range(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        PrepareSettings.parse(Path("params/loans.yaml"), "prepare", {**SETTINGS, **values})


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_encoding_a_request_loads_neither_settings_nor_tables(kind: str) -> None:
    code = (
        f"import sys; from gristmill.kinds.{kind}.tensors import encode; "
        "print([name for name in ('yaml', 'pydantic', 'pyarrow', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
