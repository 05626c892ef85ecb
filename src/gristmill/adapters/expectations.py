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

from gristmill.quality.suite import Expectation, Suite, SuiteError, entry_name
from gristmill.quality.verdict import Outcome

_POSITION = "position"


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
        """What each of the expectations `asked` (positions in the suite, rising) found in `rows` (at least one)."""
        # a RangeIndex and numpy's dtypes: with pyarrow's own, NaN would not count as empty
        frame = rows.to_pandas().reset_index(drop=True)
        result = self.validate(frame, asked, "COMPLETE")
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


def _great_expectations() -> Any:
    with warnings.catch_warnings():  # it imports modules that Python 3.11 deprecates
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations

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
    if entry.type in ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"):
        # it blames all of a group of equals; the first of them is as good as a single one
        again = frame.duplicated(subset=entry.columns, keep="first").to_numpy()
        positions = [position for position in positions if again[position]]
    return Outcome(position, success=bool(found.success), positions=np.array(sorted(positions), dtype=np.int64))


def _raised(information: dict[str, Any]) -> bool:
    """It has two shapes: one exception, or one for each metric."""
    if "raised_exception" in information:
        return bool(information["raised_exception"])
    return any(details.get("raised_exception") for details in information.values())
