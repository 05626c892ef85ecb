"""The shape of a batch is judged first, in plain words."""

from typing import Any

import pyarrow as pa
import pytest

from gristmill.quality.structure import OWN_COLUMNS, BatchFormatError, check_structure
from gristmill.quality.suite import Suite

OWN = [(name, pa.list_(pa.string()) if name == "problems" else pa.string()) for name in OWN_COLUMNS]


def suite(**columns: str) -> Suite:
    declared = {name: {"type": kind, "called": f"the {name}"} for name, kind in columns.items()}
    return Suite.model_validate({"name": "shop", "meta": {"columns": declared}, "expectations": []})


def faults(schema: pa.Schema, suite: Suite, n_rows: int = 5, problems: Any = ()) -> list[str]:
    return [reason.sentence(n_rows) for reason in check_structure("b1", schema, n_rows, problems, suite).reasons]


def test_a_sound_table_has_no_faults_and_whole_numbers_are_numbers() -> None:
    schema = pa.schema([*OWN, ("age", pa.int32()), ("city", pa.string()), ("scan", pa.binary())])
    assert faults(schema, suite(age="number", city="text", scan="bytes")) == []


def test_a_batch_without_rows_and_problems_of_whole_parts_are_faults() -> None:
    assert faults(pa.schema(OWN), suite(), n_rows=0, problems=["a.csv is cut off"]) == [
        "a.csv is cut off",
        "the batch holds no rows",
    ]


def test_missing_repeated_and_mistyped_columns_are_named_and_not_sound() -> None:
    schema = pa.schema([*OWN, ("age", pa.string()), ("city", pa.string()), ("city", pa.string())])
    declared = suite(age="number", city="text", size="integer")
    assert faults(schema, declared) == [
        "there is more than one column 'the city'",
        "the column 'the size' is missing",
        "the column 'the age' holds text, expected numbers",
    ]
    assert check_structure("b1", schema, 5, [], declared).sound == set(OWN_COLUMNS)


def test_a_column_that_only_an_expectation_names_must_be_there() -> None:
    asks = Suite.model_validate(
        {
            "name": "shop",
            "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "size"}}],
        }
    )
    assert faults(pa.schema(OWN), asks) == ["the column 'size' is missing"]


def test_a_column_without_any_value_fits_every_type() -> None:
    assert faults(pa.schema([*OWN, ("age", pa.null())]), suite(age="number")) == []


def test_a_table_without_our_own_columns_is_a_fault_of_the_platform() -> None:
    with pytest.raises(BatchFormatError, match="batch b1 has no single column target"):
        check_structure("b1", pa.schema([field for field in OWN if field[0] != "target"]), 5, [], suite())
