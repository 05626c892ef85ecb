"""Great Expectations: compiles a suite strictly, and says of each expectation what it found in a table.

Measured with 1.24: `ExpectationSuite(**json)` drops unknown entries in silence, so they are added one by one; results are
grouped by domain and not in the suite's order, so each carries its position; naming bad rows by an id column takes
31 s where positions take 0.1 s. The import takes 2 to 3 s: it happens when a suite is compiled, once.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gristmill.quality.suite import Expectation, Suite, SuiteError, entry_name, looked_at
from gristmill.quality.verdict import Outcome

_POSITION = "position"
_PIECE_ROWS = 2**21
_OF_TEXT = {
    "expect_column_value_lengths_to_be_between",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_not_match_regex",
}
_OF_ANY_VALUE = {
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_be_null",
    "expect_column_values_to_not_be_in_set",
    "expect_column_values_to_not_be_null",
}


class CompiledSuite:
    """A suite that Great Expectations has accepted, entry by entry."""

    def __init__(self, suite: Suite, path: Path) -> None:
        """Build every expectation of `suite`, which was read from `path`.

        Raises:
            SuiteError: Great Expectations does not know an entry's type, or refuses its arguments.
        """
        gx = _great_expectations()
        self._suite = suite
        self._new_suite = gx.ExpectationSuite
        self._expectations = [_expectation(path, i, entry) for i, entry in enumerate(suite.expectations)]
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        asset = context.data_sources.add_pandas("batches").add_dataframe_asset("batch")
        self._batch = asset.add_batch_definition_whole_dataframe("whole")

    def outcomes(self, rows: pa.Table, asked: Sequence[int]) -> list[Outcome]:
        """What each of the expectations `asked` (positions in the suite, rising) found in `rows` (at least one).

        Of many rows, expectations that look at each row alone are asked about a piece after the other: pandas holds no more
        than a piece of their columns, and Great Expectations' copies are as small.
        """
        if len(rows) <= _PIECE_ROWS:
            return self._ask(rows, asked)
        by_row = [i for i in asked if _is_about_single_rows(self._suite.expectations[i], rows.schema)]
        others = [i for i in asked if i not in by_row]
        entries = [self._suite.expectations[i] for i in others]
        columns = {rows.column_names[0], *looked_at(entries, rows.column_names)}
        found = self._ask(rows.select([name for name in rows.column_names if name in columns]), others)
        starts = range(0, len(rows), _PIECE_ROWS)
        pieces = [self._ask(rows.slice(start, _PIECE_ROWS), by_row) for start in starts]
        found += [_joined(outcomes, starts) for outcomes in zip(*pieces, strict=True)]
        return sorted(found, key=lambda outcome: outcome.expectation)

    def _ask(self, rows: pa.Table, asked: Sequence[int]) -> list[Outcome]:
        if not asked:
            return []
        # a RangeIndex and numpy's dtypes: with pyarrow's own, NaN would not count as empty
        frame = rows.to_pandas(split_blocks=True)  # a block for each column: columns need not be copied together
        result = self.validate(frame, asked, "COMPLETE")
        self._batch.get_batch({"dataframe": frame.iloc[:0]})  # else its engine would hold on to the whole frame
        by_position = {found.expectation_config.meta[_POSITION]: found for found in result.results}
        assert sorted(by_position) == list(asked), "Great Expectations lost an expectation"
        return [_outcome(i, self._suite.expectations[i], by_position[i], frame) for i in asked]

    def validate(self, frame: Any, asked: Sequence[int], result_format: str) -> Any:
        """Great Expectations' own result, in its format `COMPLETE` (every bad row) or `SUMMARY` (a few of them)."""
        suite = self._new_suite(name=self._suite.name, expectations=[self._expectations[i] for i in asked])
        with warnings.catch_warnings():  # pandas' and numpy's remarks on odd values: a verdict says it better
            warnings.simplefilter("ignore")
            return self._batch.get_batch({"dataframe": frame}).validate(
                suite, result_format={"result_format": result_format, "return_unexpected_index_query": False}
            )


def _is_about_single_rows(entry: Expectation, schema: pa.Schema) -> bool:
    """Whether what it finds in a row depends on that row alone, and its success on nothing but whether it found one."""
    if entry.tolerates_rows or entry.kwargs.get("row_condition"):
        return False
    if entry.type in _OF_TEXT:  # in pandas a whole number is written 5 or, among empty ones, 5.0
        return all(pa.types.is_string(schema.field(name).type) for name in entry.columns)
    return entry.type in _OF_ANY_VALUE


def _joined(outcomes: Sequence[Outcome], starts: Sequence[int]) -> Outcome:
    """One expectation's outcomes in pieces of a table that begin at `starts`, as its outcome in the table."""
    first = outcomes[0]
    if any(outcome.raised for outcome in outcomes):
        return Outcome(first.expectation, success=False, raised=True)
    positions = [
        one.positions + start for one, start in zip(outcomes, starts, strict=True) if one.positions is not None
    ]
    assert len(positions) == len(outcomes), "an expectation of rows names rows"
    return Outcome(first.expectation, all(one.success for one in outcomes), positions=np.concatenate(positions))


def _great_expectations() -> Any:
    with warnings.catch_warnings():  # it imports modules that Python 3.11 deprecates
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations
        from great_expectations import util
        from great_expectations.execution_engine import pandas_execution_engine

    # Two things that cost more than all of our expectations together (2 s and 0.6 s for each mean, at a million rows) and
    # decide nothing here: a fingerprint of the frame, made twice, that nobody reads; and a look at each number of a column,
    # in Python, whether it is a Decimal, which a column of numpy's own numbers cannot hold.
    pandas_execution_engine.HASH_THRESHOLD = 0
    looks_for_decimals = util.does_ndarray_contain_decimal_dtype
    util.does_ndarray_contain_decimal_dtype = lambda data: data.dtype == object and looks_for_decimals(data)
    return great_expectations


def _expectation(path: Path, position: int, entry: Expectation) -> Any:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return ExpectationConfiguration(
                type=entry.type, kwargs=dict(entry.kwargs), severity=entry.severity, meta={_POSITION: position}
            ).to_domain_obj()
    except Exception as error:  # whatever it raises here, the entry is at fault
        problem = " ".join(str(error).split()) or type(error).__name__
        raise SuiteError(path, entry_name(position, entry.type), problem.rstrip(".")) from error


def _outcome(position: int, entry: Expectation, found: Any, frame: Any) -> Outcome:
    details = found.result or {}
    positions = details.get("unexpected_index_list")
    if _raised(found.exception_info or {}):
        return Outcome(position, success=False, raised=True)
    if positions is None:
        observed = details.get("observed_value")
        figure = observed.item() if isinstance(observed, np.generic) else observed
        return Outcome(position, success=bool(found.success), observed=figure)
    if positions and entry.type in ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"):
        # it blames all of a group of equals; the first of them is as good as a single one
        again = frame.duplicated(subset=entry.columns, keep="first").to_numpy()
        positions = [position for position in positions if again[position]]
    return Outcome(position, success=bool(found.success), positions=np.array(sorted(positions), dtype=np.int64))


def _raised(information: dict[str, Any]) -> bool:
    """It has two shapes: one exception, or one for each metric."""
    if "raised_exception" in information:
        return bool(information["raised_exception"])
    return any(details.get("raised_exception") for details in information.values())
