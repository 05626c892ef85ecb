"""Reasons that a person can read: what is wrong, how often, and how grave it is.

A reason holds figures and words of the suite, never a value of a row: reports are in git, and rows may be personal.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.quality.suite import Expectation, Severity, Suite

_LISTED = 8  # a longer list of allowed values is counted instead of shown

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reason:
    """One thing that is wrong with a batch, or with some of its rows."""

    text: str
    """For a batch a sentence; for rows what follows "n of m rows", without the verb."""
    severity: Severity
    positions: Positions | None = None
    """The rows that it is about; None for the batch as a whole."""
    subject: str = ""
    """What the rows are judged by: a column, as a person knows it."""
    verb: tuple[str, str] = ("is", "are")
    """For one row, and for more."""
    notes: str = ""
    columns: tuple[str, ...] = ()
    """Of the batch table, where single cells are at fault: a page marks them."""

    @property
    def for_a_row(self) -> str:
        """What stands beside a row that is kept with its reasons."""
        return _joined(self.subject, self.text, "")

    def sentence(self, n_rows: int) -> str:
        """What stands in a report on a batch of `n_rows`."""
        if self.positions is None:
            return _joined(self.subject, self.text, self.notes)
        n = len(self.positions)
        verb = self.verb[0] if n == 1 else self.verb[1]
        counted = f"{n} of {n_rows} {'row' if n_rows == 1 else 'rows'}"
        return _joined(self.subject, " ".join(part for part in (counted, verb, self.text) if part), self.notes)


def subject_of(entry: Expectation, suite: Suite) -> str:
    """What an expectation looks at: "ink", "ink where label is 3", or "" for the table as a whole."""
    column = suite.called(entry.columns[0]) if entry.columns else ""
    if entry.label is not None:
        return f"{column} where {suite.called('target')} is {entry.label}".strip()
    return f"{column} where {entry.condition}".strip() if entry.condition else column


def row_fault(entry: Expectation, suite: Suite) -> str:
    """What a row is that breaks an expectation of rows: "outside 0..9"."""
    kwargs = entry.kwargs
    match entry.type.removeprefix("expect_column_values_to_"):
        case "be_between":
            return _outside(kwargs)
        case "be_in_set":
            return _not_among(kwargs.get("value_set") or [])
        case "not_be_in_set":
            return f"among the excluded values ({_listed(kwargs.get('value_set') or [])})"
        case "not_be_null":
            return "empty"
        case "be_null":
            return "not empty"
        case "be_unique":
            return "a repetition of another row's"
        case "match_regex":
            return f"not of the form {kwargs.get('regex')}"
    if entry.type == "expect_column_value_lengths_to_be_between":
        return f"of a length {_outside(kwargs)}"
    if entry.type == "expect_column_pair_values_a_to_be_greater_than_b":
        least = "less than" if kwargs.get("or_equal") else "not above"
        return f"{least} {suite.called(str(kwargs.get('column_B')))}"
    return f"not as expected ({_spelt(entry.type)})"


def batch_fault(entry: Expectation, observed: Any) -> str:
    """What is wrong with a batch that breaks an expectation about it as a whole; `observed` is a figure or None."""
    kwargs = entry.kwargs
    figure = f" ({_number(observed)})" if isinstance(observed, int | float) and np.isfinite(observed) else ""
    if entry.type == "expect_table_row_count_to_equal":
        return f"{observed} rows, expected {kwargs.get('value')}"
    if entry.type == "expect_table_row_count_to_be_between":
        return f"{observed} rows, {_outside(kwargs)}"
    if "distinct_values" in entry.type and "contain_set" in entry.type:
        return f"not all of {_listed(kwargs.get('value_set') or [])} occur"
    if "distinct_values" in entry.type and "set" in entry.type:
        return f"the values that occur are not those expected ({_listed(kwargs.get('value_set') or [])})"
    what = _spelt(entry.type)
    if entry.type == "expect_column_kl_divergence_to_be_less_than":
        bound = _number(kwargs.get("threshold"))
        return f"distributed otherwise than in the reference: the divergence{figure} is above {bound}"
    if entry.type.endswith("_to_be_between"):
        return f"the {what.removesuffix(' to be between')}{figure} is {_outside(kwargs)}"
    return f"the batch is not as expected ({what}){figure}"


def _spelt(expectation_type: str) -> str:
    words = expectation_type.removeprefix("expect_").removeprefix("column_").removeprefix("table_")
    return words.replace("_", " ")


def _outside(kwargs: dict[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and high is not None:
        return f"outside {_number(low)}..{_number(high)}"
    if low is not None:
        return f"{'not above' if kwargs.get('strict_min') else 'below'} {_number(low)}"
    return f"{'not below' if kwargs.get('strict_max') else 'above'} {_number(high)}"


def _not_among(values: list[Any]) -> str:
    whole = sorted(values) if values and all(type(value) is int for value in values) else []
    if len(whole) > 2 and whole == list(range(whole[0], whole[-1] + 1)):
        return f"outside {whole[0]}..{whole[-1]}"
    if len(values) == 1:
        return f"not {values[0]}"
    return f"none of {_listed(values)}"


def _listed(values: list[Any]) -> str:
    if len(values) > _LISTED:
        return f"the {len(values)} values expected"
    return ", ".join(str(value) for value in values)


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return str(int(value)) if float(value).is_integer() else f"{value:.4g}"


def _joined(subject: str, text: str, notes: str) -> str:
    return (f"{subject}: " if subject else "") + text + (f" ({notes})" if notes else "")
