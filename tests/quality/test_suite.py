"""Suites: the first doubt about a file of expectations is an error that names file and entry."""

import json
from pathlib import Path
from typing import Any

import pytest

from gristmill.quality.profile import ClassProfile, ColumnProfile, Profile, profile_text
from gristmill.quality.suite import Suite, SuiteError, check_suite, read_suite

ROWS = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
AGE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "min_value": 0, "max_value": 120}}


def written(tmp_path: Path, *expectations: Any, **more: Any) -> Path:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps({"name": "shop", "expectations": list(expectations), **more}), "utf-8")
    return path


def test_a_sound_suite_is_read_with_critical_as_the_severity_where_none_is_given(tmp_path: Path) -> None:
    suite = read_suite(written(tmp_path, ROWS, {**AGE, "severity": "warning"}), "shop")
    assert [entry.severity for entry in suite.expectations] == ["critical", "warning"]


@pytest.mark.parametrize(
    ("expectations", "sentence"),
    [
        ([], "it is empty"),
        ([AGE], "no critical check of the row count"),
        ([{**ROWS, "severity": "warning"}], "no critical check of the row count"),
        ([{**ROWS, "kwargs": {"min_value": 0}}], "no critical check of the row count"),
        ([ROWS, AGE, AGE], r"expectation 3 \(expect_column_values_to_be_between\): it repeats expectation 2"),
        ([ROWS, {**AGE, "severity": "fatal"}], r"expectation 2 \(expect_column_values_to_be_between\), severity"),
        ([ROWS, {**AGE, "sevrity": "warning"}], r"expectation 2 .*, sevrity: this key is not known here"),
        ([ROWS, {"kwargs": {}}], r"expectation 2 \(no type\), type: it is missing"),
        ([ROWS, "age >= 0"], r"expectation 2 \(not an object\)"),
        (
            [ROWS, {**AGE, "kwargs": {"column": "age", "min_value": 5, "max_value": 1}}],
            "min_value 5 is above max_value 1",
        ),
        (
            [ROWS, {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "age", "regex": "(["}}],
            "regular expression",
        ),
    ],
)
def test_a_suite_that_would_let_something_through_is_refused(tmp_path: Path, expectations: Any, sentence: str) -> None:
    with pytest.raises(SuiteError, match=rf"shop\.json: .*{sentence}"):
        read_suite(written(tmp_path, *expectations), "shop")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"name": "shop",', "not readable as JSON"),
        ('{"name": "shop", "name": "shop", "expectations": []}', "the key 'name' is there twice"),
        ('{"name": "shop", "expectations": [{"type": "x", "kwargs": {"min_value": NaN}}]}', "NaN is not JSON"),
        ('{"name": "shop"}', "expectations: it is missing"),
        ("[]", "not \\[\\]"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "shop.json"
    path.write_text(text, "utf-8")
    with pytest.raises(SuiteError, match=rf"shop\.json: .*{sentence}"):
        read_suite(path, "shop")


def test_a_missing_file_and_a_foreign_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"shop\.json: the file does not exist"):
        read_suite(tmp_path / "shop.json", "shop")
    with pytest.raises(SuiteError, match="it is 'shop', but the workload is 'till'"):
        read_suite(written(tmp_path, ROWS), "till")


def test_only_the_columns_that_are_judged_are_read() -> None:
    suite = Suite.model_validate(
        {
            "name": "shop",
            "meta": {
                "columns": {"pixels": {"type": "bytes", "needed": True}, "mean": {"type": "number", "needed": True}}
            },
            "expectations": [ROWS, {**AGE, "kwargs": {**AGE["kwargs"], "row_condition": "city=='Ulm'"}}],  # type: ignore[dict-item]
        }
    )
    assert suite.reads(["pixels", "mean", "std", "age", "city"]) == ["mean", "age", "city"]


PROFILE = Profile(
    workload="shop",
    n=100,
    columns={"target": ColumnProfile(n=100), "age": ColumnProfile(n=100, mean=40, sigma=10)},
    classes=tuple(
        ClassProfile(value=label, n=50, columns={"age": ColumnProfile(n=50, mean=mean, sigma=10)})
        for label, mean in (("no", 30), ("yes", 50))
    ),
)
MEAN = {
    "type": "expect_column_mean_to_be_between",
    "kwargs": {"column": "age", "min_value": "mean - 4 * sigma / sqrt(n)"},
}


def measured(tmp_path: Path, *expectations: Any) -> Suite:
    (tmp_path / "shop.profile.json").write_text(profile_text(PROFILE), "utf-8")
    return read_suite(written(tmp_path, ROWS, *expectations), "shop")


def test_a_formula_is_reckoned_for_the_rows_that_an_entry_looks_at(tmp_path: Path) -> None:
    suite = measured(tmp_path, MEAN)
    [entry] = suite.asked(1)
    assert [suite.in_numbers(entry, n).kwargs["min_value"] for n in (1, 100, 10_000)] == [0, 36, 39.6]


def test_one_entry_for_each_class_is_measured_by_the_figures_of_its_class(tmp_path: Path) -> None:
    suite = measured(tmp_path, {**MEAN, "each": "target"})
    entries = suite.asked(1)
    assert [entry.label for entry in entries] == ["no", "yes"]
    assert [entry.condition for entry in entries] == ["target == 'no'", "target == 'yes'"]
    assert [suite.in_numbers(entry, 100).kwargs["min_value"] for entry in entries] == [26, 46]
    assert suite.reads(["record_id", "target", "age", "city"]) == ["target", "age"]


def test_an_entry_about_one_class_by_its_row_condition_has_the_figures_of_that_class(tmp_path: Path) -> None:
    about_yes = {**MEAN["kwargs"], "row_condition": "target == 'yes'", "condition_parser": "pandas"}  # type: ignore[dict-item]
    suite = measured(tmp_path, {**MEAN, "kwargs": about_yes})
    assert suite.in_numbers(suite.expectations[1], 100).kwargs["min_value"] == 46


def test_a_share_is_cut_to_one_and_the_partition_of_the_profile_filled_in(tmp_path: Path) -> None:
    old = {**AGE, "kwargs": {**AGE["kwargs"], "mostly": "1 - 5 / n"}}  # type: ignore[dict-item]
    kinds = {"column": "target", "partition_object": "profile", "threshold": "20 / n"}
    suite = measured(tmp_path, old, {"type": "expect_column_kl_divergence_to_be_less_than", "kwargs": kinds})
    assert [suite.in_numbers(suite.expectations[1], n).kwargs["mostly"] for n in (2, 100)] == [0, 0.95]
    found = suite.in_numbers(suite.expectations[2], 100).kwargs
    assert found["partition_object"] == {"values": ["no", "yes"], "weights": [0.5, 0.5]} and found["threshold"] == 0.2


def bounded(**kwargs: Any) -> dict[str, Any]:
    return {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "age", **kwargs}}


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (bounded(min_value="mean -"), "min_value: 'mean -' is not a formula"),
        (bounded(min_value="2020-01-01x"), "is not a formula"),
        (bounded(min_value="average"), "'average' names 'average'; known are n, mean, sigma"),
        (bounded(min_value="q99"), "the profile gives no q99 of 'age'"),
        ({**bounded(), "kwargs": {"column": "size", "max_value": "mean"}}, "the profile has no column 'size'"),
        (bounded(max_value="1 / (n - 100)"), r"max_value: '1 / \(n - 100\)' has no value"),
        (bounded(min_value="100 / n", max_value="50"), "min_value 100 is above max_value 50 for 1 row, so nothing"),
        (
            {**bounded(min_value="mean", max_value=45), "each": "target"},
            "min_value 50 is above max_value 45 for 1 row of class yes",
        ),
        ({**bounded(min_value="mean"), "each": "age"}, "each: Input should be 'target'"),
        (
            {**bounded(min_value="mean", row_condition="age > 1"), "each": "target"},
            "it has a row_condition, and `each` writes one of its own",
        ),
        (
            {
                "type": "expect_column_kl_divergence_to_be_less_than",
                "kwargs": {"column": "age", "partition_object": "profile", "threshold": 1},
            },
            "the profile does not say how 'age' was distributed",
        ),
        (
            {
                "type": "expect_column_kl_divergence_to_be_less_than",
                "kwargs": {"column": "target", "partition_object": "profile", "threshold": "0.1 - n / 100"},
            },
            "threshold -0.9 is below 0 for 100 rows",
        ),
    ],
)
def test_a_formula_that_means_nothing_is_refused_before_any_batch_comes(
    tmp_path: Path, entry: Any, sentence: str
) -> None:
    with pytest.raises(SuiteError, match=rf"shop\.json: expectation 2 \(.*{sentence}"):
        measured(tmp_path, entry)


@pytest.mark.parametrize("entry", [MEAN, {**MEAN, "each": "target"}])
def test_what_needs_a_profile_says_how_to_write_one(tmp_path: Path, entry: Any) -> None:
    with pytest.raises(SuiteError, match=r"expectation 2 .*`gristmill expectations profile` writes it"):
        read_suite(written(tmp_path, ROWS, entry), "shop")


def test_a_profile_that_is_broken_or_anothers_is_refused_even_where_no_formula_needs_it(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS)
    (tmp_path / "shop.profile.json").write_text("{}", "utf-8")
    with pytest.raises(SuiteError, match=r"shop\.profile\.json: workload: Field required"):
        read_suite(path, "shop")
    (tmp_path / "shop.profile.json").write_text(profile_text(PROFILE).replace("shop", "till"), "utf-8")
    with pytest.raises(SuiteError, match=r"shop\.profile\.json: it is that of 'till', not of 'shop'"):
        read_suite(path, "shop")


def test_a_profile_is_no_part_of_the_suites_file(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="profile: this key is not known here"):
        read_suite(written(tmp_path, ROWS, profile=None), "shop")


def test_every_doubt_is_named_at_once(tmp_path: Path) -> None:
    broken = {**AGE, "kwargs": {"column": "age", "min_value": 5, "max_value": 1}}
    faults = check_suite(written(tmp_path, broken, broken, {**AGE, "kwargs": {"regex": "(["}}), "till").faults
    assert [fault.args[1].partition(" (")[0] for fault in faults] == [
        "name",
        "expectation 1",
        "expectation 2",
        "expectation 2",
        "expectation 3",
        "expectations",
    ]
