"""Suites: the first doubt about a file of expectations is an error that names file and entry."""

import json
from pathlib import Path
from typing import Any

import pytest

from gristmill.quality.suite import Suite, SuiteError, read_suite

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
