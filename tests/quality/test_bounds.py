"""Formulas: arithmetic, and nothing else whatever somebody writes."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.quality.bounds import FormulaError, names_in, read_formula, value_of


def worth(text: str, **values: float) -> float:
    return value_of(read_formula(text), values)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("mean - max(0.25 * sigma, 4 * sigma / sqrt(n))", 10 - 0.8),
        ("-(1 + 2) * 3 / -4", 2.25),
        ("min(n, 7, abs(-5)) + log(1)", 5),
        (" 1e3 ", 1000),
    ],
)
def test_a_formula_is_worth_what_arithmetic_says(text: str, value: float) -> None:
    assert worth(text, mean=10, sigma=2, n=100) == pytest.approx(value)


def test_the_names_of_a_formula_are_those_it_needs_without_its_functions() -> None:
    assert names_in(read_formula("max(q9999, mean) + n")) == {"q9999", "mean", "n"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mean -",
        "n ** 1000000",
        "n if n else 1",
        "n > 1",
        "lambda: n",
        "n.real",
        "n[0]",
        "[n]",
        "'text'",
        "True",
        "1j",
        "exec(n)",
        "sqrt()",
        "sqrt(n)(n)",
        "max(n, key=abs)",
        "max(*n)",
        "__import__('os').system('true')",
        "(m := n)",
        "f'{n}'",
        "n; n",
        "(" * 200 + "n" + ")" * 99,
        "1 + " * 100 + "1",
    ],
)
def test_what_is_not_arithmetic_is_refused_before_it_is_reckoned(text: str) -> None:
    with pytest.raises(FormulaError):
        read_formula(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1 / (n - 1)", "has no value"),
        ("sqrt(0 - n)", "has no value"),
        ("sqrt(n, n)", "has no value"),
        ("max(n)", "has no value"),
        ("1e308 * 10 * n", "is not finite"),
        ("9" * 280 + "e99 * n", "is not finite"),
        ("n / sigma", "'sigma' is not known here; known are n"),
        ("sqrt", "'sqrt' is not known here"),
    ],
)
def test_a_formula_without_a_finite_value_says_so(text: str, problem: str) -> None:
    with pytest.raises(FormulaError, match=problem):
        worth(text, n=1)


@given(st.text(alphabet="nms(). +-*/,1e_q9'\"[]@:=", max_size=40))
def test_any_text_is_a_finite_number_or_a_formula_error(text: str) -> None:
    with suppress(FormulaError):
        assert math.isfinite(worth(text, n=7, m=2))
