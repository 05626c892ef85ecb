"""Great Expectations, asked strictly: nothing is dropped, and every outcome belongs to its entry."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gristmill.adapters.expectations import CompiledSuite, refused
from gristmill.quality.suite import Column, Suite, SuiteError
from gristmill.quality.verdict import Outcome
from gristmill.runs.profiling import profile_rows

PATH = Path("expectations/shop.json")


def compiled(*entries: tuple[str, dict[str, Any]]) -> CompiledSuite:
    expectations = [{"type": f"expect_{kind}", "kwargs": kwargs} for kind, kwargs in entries]
    return CompiledSuite(Suite.model_validate({"name": "shop", "expectations": expectations}), PATH)


def outcome(kind: str, rows: pa.Table, **kwargs: Any) -> Outcome:
    [found] = compiled((kind, kwargs)).outcomes(rows, [0])
    return found


def positions(found: Outcome) -> list[int]:
    assert found.positions is not None
    return [int(position) for position in found.positions]


@pytest.mark.parametrize(
    ("kind", "kwargs", "problem"),
    [
        ("nonsense", {}, "nonsense"),
        ("column_values_to_be_between", {"column": "x", "min_valu": 1}, "min_valu"),
        ("column_values_to_be_between", {"column": "x", "min_value": 1, "mostly": 1.5}, "mostly"),
        ("column_values_to_be_between", {"column": "x"}, "min_value and max_value"),
    ],
)
def test_an_entry_that_great_expectations_does_not_take_is_named_with_its_file(
    kind: str, kwargs: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SuiteError, match=rf"expectations/shop\.json: expectation 2 \(expect_{kind}\): .*{problem}"):
        compiled(("table_row_count_to_be_between", {"min_value": 1}), (kind, kwargs))


def test_outcomes_come_in_the_order_asked_and_belong_to_their_entries() -> None:
    suite = compiled(
        ("column_values_to_be_between", {"column": "x", "min_value": 2}),
        ("table_row_count_to_be_between", {"min_value": 5}),
        ("column_values_to_not_be_null", {"column": "y"}),
        ("column_mean_to_be_between", {"column": "x", "min_value": 0, "max_value": 1}),
        ("column_values_to_be_between", {"column": "y", "max_value": 1}),
    )
    rows = pa.table({"x": [1, 2, 3], "y": [None, 2.0, 1.0]})
    found = suite.outcomes(rows, [0, 1, 2, 3, 4])
    assert [one.expectation for one in found] == [0, 1, 2, 3, 4]
    assert [one.success for one in found] == [False] * 5
    assert [one.observed for one in found] == [None, 3, None, 2.0, None]
    assert [positions(found[i]) for i in (0, 2, 4)] == [[0], [0], [1]]
    assert [one.expectation for one in suite.outcomes(rows.slice(1), [1, 3])] == [1, 3]


def test_every_bad_row_is_named_however_many_there_are() -> None:
    rows = pa.table({"x": np.arange(5000) % 2})
    assert positions(outcome("column_values_to_be_in_set", rows, column="x", value_set=[0])) == list(range(1, 5000, 2))


def test_rows_within_a_tolerance_are_still_named() -> None:
    found = outcome("column_values_to_be_between", pa.table({"x": [1, 2, 3, -1]}), column="x", min_value=0, mostly=0.7)
    assert found.success
    assert positions(found) == [3]


def test_nan_and_null_are_both_empty() -> None:
    rows = pa.table({"x": [1.0, float("nan"), None]})
    assert positions(outcome("column_values_to_not_be_null", rows, column="x")) == [1, 2]


def test_whole_numbers_with_a_gap_are_still_in_their_set() -> None:
    rows = pa.table({"x": pa.array([0, None, 9, 10], pa.int64())})
    assert positions(outcome("column_values_to_be_in_set", rows, column="x", value_set=list(range(10)))) == [3]


def test_the_first_of_equal_rows_is_not_blamed() -> None:
    rows = pa.table({"x": ["a", "b", "a", "a"], "y": [1, 1, 1, 2]})
    assert positions(outcome("column_values_to_be_unique", rows, column="x")) == [2, 3]
    assert positions(outcome("compound_columns_to_be_unique", rows, column_list=["x", "y"])) == [2]


def test_an_expectation_that_raises_says_so_and_its_neighbours_are_judged() -> None:
    suite = compiled(
        ("column_values_to_be_between", {"column": "word", "min_value": 1}),
        ("column_values_to_be_between", {"column": "x", "min_value": 1}),
        ("column_mean_to_be_between", {"column": "word", "min_value": 1}),
    )
    found = suite.outcomes(pa.table({"word": ["a", "b"], "x": [0, 1]}), [0, 1, 2])
    assert [one.raised for one in found] == [True, False, True]
    assert not any(one.success for one in found)


PROFILE = profile_rows(
    "shop",
    pa.table({"target": [0, 1] * 50, "x": [8.0, 18.0, 12.0, 22.0] * 25}),
    {"target": Column(type="integer"), "x": Column(type="number")},
)
"""x is 10 for class 0 and 20 for class 1, give or take 2."""


def measured(*entries: dict[str, Any]) -> CompiledSuite:
    return CompiledSuite(Suite(name="shop", expectations=entries, profile=PROFILE), PATH)  # type: ignore[arg-type]


MEAN: dict[str, Any] = {
    "type": "expect_column_mean_to_be_between",
    "kwargs": {"column": "x", "min_value": "mean - sigma / sqrt(n)"},
}


def test_the_bound_that_a_formula_gives_is_that_of_the_batchs_own_rows() -> None:
    suite = measured(MEAN, {**MEAN, "kwargs": {"column": "x", "max_value": 100}})
    for n in (1, 4, 100):
        first, second = suite.outcomes(pa.table({"target": [0] * n, "x": [14.0] * n}), [0, 1])
        assert first.asked is not None and second.success
        assert first.asked.kwargs["min_value"] == pytest.approx(15 - np.sqrt(29) / np.sqrt(n), abs=1e-4)
        assert first.success == (first.asked.kwargs["min_value"] <= 14)


def test_an_entry_about_each_class_is_asked_of_every_class_that_occurs() -> None:
    suite = measured({**MEAN, "each": "target"})
    both = suite.outcomes(pa.table({"target": [0, 1, 1, 1, 1], "x": [10.0, 20.0, 20.0, 19.0, 16.0]}), [0])
    assert [(one.expectation, one.asked and one.asked.label, one.success) for one in both] == [
        (0, 0, True),
        (0, 1, False),
    ]
    assert [one.asked and one.asked.kwargs["min_value"] for one in both] == [8, 19]
    [only] = suite.outcomes(pa.table({"target": [1, None], "x": [20.0, 1.0]}), [0])
    assert only.asked is not None and only.asked.label == 1 and only.success
    assert suite.outcomes(pa.table({"target": [7], "x": [20.0]}), [0]) == []


def test_rows_of_a_class_are_named_by_their_place_in_the_batch() -> None:
    high = {
        "type": "expect_column_values_to_be_between",
        "each": "target",
        "kwargs": {"column": "x", "max_value": "high"},
    }
    found = measured(high).outcomes(pa.table({"target": [1, 0, 1, 0], "x": [20.0, 15.0, 30.0, 10.0]}), [0])
    assert [positions(one) for one in found] == [[1], [2]]


def test_a_formula_on_rows_that_meet_a_condition_counts_those_rows() -> None:
    some = {"column": "x", "min_value": "100 / n", "row_condition": "x < 50", "condition_parser": "pandas"}
    suite = measured({"type": "expect_column_max_to_be_between", "kwargs": some})
    rows = pa.table({"target": [0] * 6, "x": [30.0, 30.0, 30.0, 30.0, 90.0, 90.0]})
    [found] = suite.outcomes(rows, [0])
    assert found.success and found.asked is not None and found.asked.kwargs["min_value"] == 25
    assert suite.outcomes(rows.slice(4), [0]) == []
    nowhere = {**some, "row_condition": "y < 50"}
    [raised] = measured({"type": "expect_column_max_to_be_between", "kwargs": nowhere}).outcomes(rows, [0])
    assert raised.raised


def test_a_distribution_is_held_against_that_of_the_profile() -> None:
    suite = measured(
        *(
            {
                "type": "expect_column_kl_divergence_to_be_less_than",
                "kwargs": {"column": name, "partition_object": "profile", "threshold": 0.1},
            }
            for name in ("target", "x")
        )
    )
    like, unlike = ([0, 1] * 20, [8.0, 18.0, 12.0, 22.0] * 10), ([0] * 38 + [1] * 2, [8.0] * 39 + [99.0])
    assert [one.success for one in suite.outcomes(pa.table(dict(zip(("target", "x"), like, strict=True))), [0, 1])] == [
        True,
        True,
    ]
    found = suite.outcomes(pa.table(dict(zip(("target", "x"), unlike, strict=True))), [0, 1])
    assert [(one.success, one.raised) for one in found] == [(False, False)] * 2


def test_every_entry_that_is_refused_is_named() -> None:
    entries = [{"type": "expect_nonsense"}, MEAN, {**MEAN, "kwargs": {**MEAN["kwargs"], "colunm": "x"}}]
    suite = Suite(name="shop", expectations=entries, profile=PROFILE)  # type: ignore[arg-type]
    assert [fault.args[1] for fault in refused(suite, PATH)] == [
        "expectation 1 (expect_nonsense)",
        "expectation 3 (expect_column_mean_to_be_between)",
    ]


def test_importing_the_adapter_does_not_import_great_expectations() -> None:
    program = "import sys, gristmill.adapters.expectations; print('great_expectations' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.lower()) is False


def test_of_many_rows_each_column_is_asked_about_alone_and_the_answers_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suite = compiled(
        ("table_row_count_to_be_between", {"min_value": 1}),
        ("column_values_to_be_between", {"column": "x", "min_value": 2}),
        ("column_values_to_not_be_null", {"column": "y"}),
        ("column_pair_values_a_to_be_greater_than_b", {"column_A": "x", "column_B": "y"}),
        ("column_values_to_be_unique", {"column": "x"}),
        ("column_mean_to_be_between", {"column": "x", "max_value": 1}),
        (
            "column_values_to_be_in_set",
            {"column": "y", "value_set": [1], "row_condition": "x==2", "condition_parser": "pandas"},
        ),
        ("column_values_to_be_between", {"column": "text", "min_value": 1}),
        ("table_column_count_to_equal", {"value": 4}),
    )
    rows = pa.table({"id": ["a", "b", "c"], "x": [1, 2, 2], "y": [None, 2.0, 1.0], "text": ["1", "x", ""]})
    together = suite.outcomes(rows, range(9))
    seen: list[list[str]] = []
    outcomes = CompiledSuite._outcomes

    def spied(self: CompiledSuite, some: pa.Table, asked: list[int]) -> list[Outcome]:
        seen.append(some.column_names)
        return outcomes(self, some, asked)

    monkeypatch.setattr(CompiledSuite, "_outcomes", spied)
    monkeypatch.setattr("gristmill.adapters.expectations._MANY_ROWS", 3)
    assert repr(suite.outcomes(rows, range(9))) == repr(together)
    assert seen == [["id"], ["x"], ["y"], ["x", "y"], ["text"], ["id", "x", "y", "text"]]


def test_a_table_is_not_hashed_and_its_numbers_are_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from great_expectations import util
    from great_expectations.execution_engine import pandas_execution_engine

    def never(*_: object) -> None:
        raise AssertionError

    suite = compiled(("column_mean_to_be_between", {"column": "x", "max_value": 1}))
    monkeypatch.setattr(pandas_execution_engine, "hash_pandas_dataframe", never)
    assert not util.does_ndarray_contain_decimal_dtype(np.ones(3))
    assert util.does_ndarray_contain_decimal_dtype(np.array([None, Decimal(1)], dtype=object))
    [found] = suite.outcomes(pa.table({"x": [1.0, 2.0]}), [0])
    assert found.observed == 1.5
