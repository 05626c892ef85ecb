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

_RESULT_FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
_POSITION = "position"
_MANY_ROWS = 300_000


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

        Of many rows, those that look at the same columns are asked together, about these columns alone: for each expectation
        of a column Great Expectations copies the whole table that it is given, less the rows where that column is empty.
        """
        if len(rows) < _MANY_ROWS:
            return self._ask(rows, asked)
        together: dict[tuple[str, ...], list[int]] = {}
        for i in asked:
            columns = looked_at([self._suite.expectations[i]], rows.column_names)
            together.setdefault(tuple(columns or rows.column_names[:1]), []).append(i)
        found = [outcome for columns, some in together.items() for outcome in self._ask(rows.select(columns), some)]
        return sorted(found, key=lambda outcome: outcome.expectation)

    def _ask(self, rows: pa.Table, asked: Sequence[int]) -> list[Outcome]:
        suite = self._new_suite(name=self._suite.name, expectations=[self._expectations[i] for i in asked])
        # a RangeIndex and numpy's dtypes: with pyarrow's own, NaN would not count as empty
        frame = rows.to_pandas(split_blocks=True)  # a block for each column: columns need not be copied together
        with warnings.catch_warnings():  # pandas' and numpy's remarks on odd values: a verdict says it better
            warnings.simplefilter("ignore")
            result = self._batch.get_batch({"dataframe": frame}).validate(suite, result_format=_RESULT_FORMAT)
        self._batch.get_batch({"dataframe": frame.iloc[:0]})  # else its engine would hold on to the whole frame
        by_position = {found.expectation_config.meta[_POSITION]: found for found in result.results}
        assert sorted(by_position) == list(asked), "Great Expectations lost an expectation"
        return [_outcome(i, self._suite.expectations[i], by_position[i], frame) for i in asked]


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
