"""Sentences: a person reads them, and no value of a row is in them."""

from typing import Any

import numpy as np
import pytest

from gristmill.quality.reasons import Reason, batch_fault, row_fault, subject_of
from gristmill.quality.suite import Expectation, Suite

SUITE = Suite.model_validate(
    {"name": "shop", "meta": {"columns": {"target": {"type": "integer", "called": "label"}}}, "expectations": []}
)


def entry(kind: str, **kwargs: Any) -> Expectation:
    return Expectation(type=f"expect_{kind}", kwargs=kwargs)


def test_rows_are_counted_against_all_rows_of_the_batch() -> None:
    several = Reason("outside 0..9", "critical", np.arange(25), "label", notes="ten classes")
    assert several.sentence(500) == "label: 25 of 500 rows are outside 0..9 (ten classes)"
    assert Reason("empty", "critical", np.array([3]), "label").sentence(500) == "label: 1 of 500 rows is empty"
    assert several.for_a_row == "label: outside 0..9"


@pytest.mark.parametrize(
    ("expectation", "words"),
    [
        (entry("column_values_to_be_in_set", column="target", value_set=[2, 0, 1]), "outside 0..2"),
        (entry("column_values_to_be_in_set", column="target", value_set=["Bad", "Good"]), "none of Bad, Good"),
        (entry("column_values_to_be_in_set", column="target", value_set=[28]), "not 28"),
        (
            entry("column_values_to_be_in_set", column="x", value_set=list("abcdefghij")),
            "none of the 10 values expected",
        ),
        (entry("column_values_to_be_between", column="x", min_value=5), "below 5"),
        (entry("column_values_to_be_between", column="x", max_value=0.25), "above 0.25"),
        (entry("column_values_to_be_between", column="x", min_value=5, strict_min=True), "not above 5"),
        (entry("column_values_to_not_be_null", column="x"), "empty"),
        (entry("column_value_lengths_to_be_between", column="x", min_value=1, max_value=3), "of a length outside 1..3"),
        (entry("column_pair_values_a_to_be_greater_than_b", column_A="x", column_B="target"), "not above label"),
        (
            entry("column_values_to_be_dateutil_parseable", column="x"),
            "not as expected (values to be dateutil parseable)",
        ),
    ],
)
def test_a_row_that_breaks_an_expectation_is_described(expectation: Expectation, words: str) -> None:
    assert row_fault(expectation, SUITE) == words


@pytest.mark.parametrize(
    ("expectation", "observed", "words"),
    [
        (entry("table_row_count_to_be_between", min_value=20), 3, "3 rows, below 20"),
        (
            entry("column_kl_divergence_to_be_less_than", column="target", threshold=0.02),
            0.5,
            "distributed otherwise than in the reference: the divergence (0.5) is above 0.02",
        ),
        (
            entry("column_mean_to_be_between", column="x", min_value=0, max_value=1),
            7.25,
            "the mean (7.25) is outside 0..1",
        ),
        (entry("column_mean_to_be_between", column="x", min_value=0), None, "the mean is below 0"),
        (entry("column_distinct_values_to_contain_set", value_set=[1, 2]), ["Ann"], "not all of 1, 2 occur"),
        (
            entry("column_distinct_values_to_equal_set", value_set=[1, 2]),
            ["Ann"],
            "the values that occur are not those expected (1, 2)",
        ),
    ],
)
def test_a_batch_that_breaks_an_expectation_is_described_by_figures_only(
    expectation: Expectation, observed: object, words: str
) -> None:
    assert batch_fault(expectation, observed) == words


def test_a_reason_names_the_class_or_the_rows_that_it_is_about() -> None:
    assert subject_of(entry("column_mean_to_be_between", column="ink"), SUITE) == "ink"
    of_class = entry("column_mean_to_be_between", column="ink", row_condition="target == 3")
    assert subject_of(of_class, SUITE) == "ink where label is 3"
    of_word = entry("column_mean_to_be_between", column="ink", row_condition="target == 'Bad'")
    assert subject_of(of_word, SUITE) == "ink where label is Bad"
    of_rows = entry("column_mean_to_be_between", column="ink", row_condition="city == 'Ulm' and age > 3")
    assert subject_of(of_rows, SUITE) == "ink where city == 'Ulm' and age > 3"
    assert (
        subject_of(entry("table_row_count_to_be_between", min_value=1, row_condition="a > 1"), SUITE) == "where a > 1"
    )
