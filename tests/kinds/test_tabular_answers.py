"""What a request for a table may look like."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from tests.toy_models import TABULAR

from gristmill.kinds.tabular.answers import MAX_ROWS, RequestError, example, parse, schema

ROW = {"Age": 41, "Amount": 1200.5, "Housing": "Own"}

WRONG: dict[str, tuple[Any, str]] = {
    "nothing": (None, 'needs the field "rows"'),
    "a bare row": (ROW, 'needs the field "rows"'),
    "an unknown field": ({"rows": [ROW], "model": "v2"}, "unknown field 'model'"),
    "null": ({"rows": None}, "rows is null"),
    "one row without its list": ({"rows": ROW}, "rows is an object; a list"),
    "no row": ({"rows": []}, "holds 0 rows"),
    "too many rows": ({"rows": [ROW] * (MAX_ROWS + 1)}, f"from 1 to {MAX_ROWS}"),
    "a row that is a list": ({"rows": [ROW, [41, 1200, "Own"]]}, r"rows\[1\] is a list"),
    "a missing column": ({"rows": [{"Age": 41, "Housing": "Own"}]}, r"rows\[0\] lacks the column 'Amount'"),
    "several missing columns": ({"rows": [{}]}, "lacks the column 'Age' and 2 more"),
    "an unknown column": ({"rows": [ROW | {"Salary": 1}]}, "unknown column 'Salary'"),
    "a misspelt column": ({"rows": [{"age": 41, "Amount": 1, "Housing": "Own"}]}, "'age'. Did you mean 'Age'"),
    "a string for a number": ({"rows": [ROW, ROW | {"Age": "41"}]}, r"rows\[1\]\.Age is a string"),
    "a boolean for a number": ({"rows": [ROW | {"Age": True}]}, r"rows\[0\]\.Age is a boolean"),
    "a list for a number": ({"rows": [ROW | {"Age": [41]}]}, r"rows\[0\]\.Age is a list"),
    "NaN": ({"rows": [ROW | {"Age": math.nan}]}, r"rows\[0\]\.Age is nan"),
    "infinity": ({"rows": [ROW | {"Age": -math.inf}]}, r"rows\[0\]\.Age is -inf"),
    "a number that float32 cannot hold": ({"rows": [ROW | {"Amount": 1e39}]}, r"rows\[0\]\.Amount is 1e\+39"),
    "a huge number": ({"rows": [ROW | {"Amount": 10**400}]}, r"rows\[0\]\.Amount is beyond"),
    "an unknown category": ({"rows": [ROW | {"Housing": "Boat"}]}, "is 'Boat'.*allowed: 'Own', 'Rent', or null"),
    "a category of another case": ({"rows": [ROW | {"Housing": "own"}]}, "is 'own'"),
    "a number for a category": ({"rows": [ROW | {"Housing": 1}]}, r"rows\[0\]\.Housing is a number"),
    "an object for a category": ({"rows": [ROW | {"Housing": {}}]}, r"rows\[0\]\.Housing is an object"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_refused_with_the_place_of_its_first_fault(name: str) -> None:
    request, sentence = WRONG[name]
    with pytest.raises(RequestError, match=sentence):
        parse(request, TABULAR)


@pytest.mark.parametrize("name", [name for name in WRONG if name != "NaN"])  # JSON has none; the guard refuses it
def test_the_schema_refuses_what_the_check_refuses(name: str) -> None:
    assert not Draft202012Validator(schema(TABULAR)).is_valid(WRONG[name][0])


def test_rows_come_out_as_columns_in_the_order_sent() -> None:
    columns = parse({"rows": [ROW, ROW | {"Age": 20, "Housing": "Rent"}]}, TABULAR)
    np.testing.assert_array_equal(columns["Age"], [41.0, 20.0])
    assert columns["Housing"].tolist() == ["Own", "Rent"]


def test_null_is_a_missing_value_in_numbers_and_in_categories() -> None:
    columns = parse({"rows": [ROW, {"Age": None, "Amount": None, "Housing": None}]}, TABULAR)
    assert np.isnan(columns["Age"]).tolist() == [False, True]
    assert columns["Housing"].tolist() == ["Own", None]
    assert columns["Age"].dtype == np.float64


def test_the_example_is_what_the_schema_and_the_check_accept() -> None:
    request = json.loads(json.dumps(example(TABULAR)))
    Draft202012Validator.check_schema(schema(TABULAR))
    Draft202012Validator(schema(TABULAR)).validate(request)
    assert set(parse(request, TABULAR)) == {"Age", "Amount", "Housing"}


DATED = {**TABULAR, "columns": [{"name": "since", "type": "date"}]}


@pytest.mark.parametrize("value", ["yesterday", "31.01.2026", 20260131, True, "2026-W01-1", ""])
def test_a_date_that_is_none_is_refused_by_the_check_and_by_the_schema(value: Any) -> None:
    with pytest.raises(RequestError, match=r"rows\[0\]\.since is .*; a date as in '2026-01-31'"):
        parse({"rows": [{"since": value}]}, DATED)
    assert not Draft202012Validator(schema(DATED)).is_valid({"rows": [{"since": value}]})


def test_a_date_is_the_same_number_as_in_training() -> None:
    request = {"rows": [{"since": "1970-01-02"}, {"since": "1970-01-02T12:00:00Z"}, {"since": None}]}
    Draft202012Validator(schema(DATED)).validate(request)
    np.testing.assert_array_equal(parse(request, DATED)["since"], [1.0, 1.5, np.nan])
    assert parse(example(DATED), DATED)["since"].tolist() == [20_454.0]


cells = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)
rows = st.fixed_dictionaries({"Age": cells, "Amount": cells, "Housing": cells | st.just("Own")})


@settings(max_examples=200, deadline=None)
@given(st.lists(rows | cells, max_size=3) | cells)
def test_whatever_is_sent_is_answered_or_refused_with_a_sentence(sent: Any) -> None:
    try:
        columns = parse({"rows": sent}, TABULAR)
    except RequestError as error:
        assert str(error).endswith((".", "?"))
    else:
        assert {len(column) for column in columns.values()} == {len(sent)}
        assert np.isfinite(columns["Age"][~np.isnan(columns["Age"])]).all()
