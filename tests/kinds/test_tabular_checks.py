"""Tables as the checks at landing look at them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gristmill.kinds.tabular.checks import features, fitting, linear
from gristmill.kinds.tabular.tensors import columns, encode, targets

CONTRACT: dict[str, Any] = {
    "task": "classification",
    "classes": ["Bad", "Good"],
    "columns": [
        {"name": "since", "type": "date"},
        {"name": "amount", "type": "numeric"},
        {"name": "purpose", "type": "categorical", "categories": ["car", "house"]},
    ],
}


def rows(target: list[Any], **changed: Any) -> pa.Table:
    n = len(target)
    features = {"since": [20_000.0] * n, "amount": [1.0] * n, "purpose": ["car"] * n}
    return pa.table({"record_id": [str(i) for i in range(n)], "target": target, **features, **changed})


def encoded(table: pa.Table) -> dict[str, np.ndarray[Any, Any]]:
    return encode(columns(table, CONTRACT), CONTRACT)


def test_rows_that_fit_are_those_whose_target_the_contract_knows() -> None:
    table = rows(["Good", "Ugly", None, "Bad"])
    fit = fitting(table, CONTRACT)
    assert fit.tolist() == [True, False, False, True]
    assert targets(table.filter(pa.array(fit)), CONTRACT).tolist() == [1, 0]
    prices = {**CONTRACT, "task": "regression", "classes": []}
    assert fitting(rows([1.5, None, float("nan")]), prices).tolist() == [True, False, False]


def test_a_column_that_is_lacking_is_named() -> None:
    with pytest.raises(KeyError, match="purpose"):
        fitting(rows(["Good"]).drop_columns(["purpose"]), CONTRACT)


def test_columns_drift_by_name_and_dates_do_not() -> None:
    found = features(encoded(rows(["Good"] * 3, amount=[1.0, None, 3.0], purpose=["car", "boat", "house"])), CONTRACT)
    assert found.keys() == {"amount", "purpose"}
    assert np.isnan(found["amount"]).tolist() == [False, True, False] and found["amount"].dtype == np.float32
    assert found["purpose"].tolist() == [1, 0, 2]


def test_a_linear_model_is_given_numbers_without_gaps_and_a_column_for_each_category() -> None:
    table = rows(["Good"] * 3, amount=[1.0, None, 3.0], purpose=["car", "boat", "house"])
    numbers = linear(encoded(table), CONTRACT)
    assert numbers.shape == (3, 1 + 5 + 3) and numbers.dtype == np.float32
    assert numbers[:, 0].tolist() == [1, 2, 3]
    assert numbers[:, -3:].tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert np.isfinite(linear(encoded(rows(["Good"], amount=pa.array([None], pa.float64()))), CONTRACT)).all()
