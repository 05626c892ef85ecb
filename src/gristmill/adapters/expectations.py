"""Great Expectations: compiles a suite strictly, and says of each expectation what it found in a table.

Measured with 1.24: `ExpectationSuite(**json)` drops unknown entries in silence, so they are added one by one; results are
grouped by domain and not in the suite's order, so each carries its position; naming bad rows by an id column takes
31 s where positions take 0.1 s. The import takes 2 to 3 s: it happens when a suite is compiled, once.
"""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.quality.bounds import FormulaError
from gristmill.quality.suite import Expectation, Suite, SuiteError, entry_name, looked_at
from gristmill.quality.verdict import Outcome

_NAME = "name"
_MANY_ROWS = 300_000


class CompiledSuite:
    """A suite that Great Expectations has accepted, entry by entry; what depends on the batch is made anew for each."""

    def __init__(self, suite: Suite, path: Path) -> None:
        """Build every expectation of `suite`, which was read from `path`.

        Raises:
            SuiteError: Great Expectations does not know an entry's type, or refuses its arguments.
        """
        gx = _great_expectations()
        self._suite = suite
        self._path = path
        self._new_suite = gx.ExpectationSuite
        self._questions = [_questions(path, suite, i) for i in range(len(suite.expectations))]
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        asset = context.data_sources.add_pandas("batches").add_dataframe_asset("batch")
        self._batch = asset.add_batch_definition_whole_dataframe("whole")

    def outcomes(self, rows: pa.Table, asked: Sequence[int]) -> list[Outcome]:
        """What each of the expectations `asked` (positions in the suite, rising) found in `rows` (at least one).

        An entry about each class has an outcome for every class that occurs.

        Of many rows, the expectations of the same columns are asked together, about these columns alone: for each of them
        Great Expectations copies all of the table that it is given, less the rows where the column is empty.
        """
        if len(rows) < _MANY_ROWS:
            return self._outcomes(rows, asked)
        together: dict[tuple[str, ...], list[int]] = {}
        for i in asked:
            columns = looked_at([self._suite.expectations[i]], rows.column_names)
            together.setdefault(tuple(columns or rows.column_names[:1]), []).append(i)
        found = [
            outcome for columns, some in together.items() for outcome in self._outcomes(rows.select(columns), some)
        ]
        return sorted(found, key=lambda outcome: outcome.expectation)

    def _outcomes(self, rows: pa.Table, asked: Sequence[int]) -> list[Outcome]:
        if not (questions := self._questions_to(rows, asked)):
            return []
        frame = _frame(rows)
        result = self._ask(frame, questions, "COMPLETE")
        self._batch.get_batch({"dataframe": frame.iloc[:0]})  # else its engine would hold on to the whole frame
        found = {one.expectation_config.meta[_NAME]: one for one in result.results}
        assert found.keys() == {question.name for question in questions}, "Great Expectations lost an expectation"
        return [_outcome(question, found[question.name], frame) for question in questions]

    def validate(self, rows: pa.Table, asked: Sequence[int], result_format: str) -> Any:
        """Great Expectations' own result, in its format `COMPLETE` (every bad row) or `SUMMARY` (a few of them)."""
        return self._ask(_frame(rows), self._questions_to(rows, asked), result_format)

    def _ask(self, frame: Any, questions: Sequence["_Question"], result_format: str) -> Any:
        suite = self._new_suite(name=self._suite.name, expectations=[question.expectation for question in questions])
        with warnings.catch_warnings():  # pandas' and numpy's remarks on odd values: a verdict says it better
            warnings.simplefilter("ignore")
            return self._batch.get_batch({"dataframe": frame}).validate(
                suite, result_format={"result_format": result_format, "return_unexpected_index_query": False}
            )

    def _questions_to(self, rows: pa.Table, asked: Sequence[int]) -> list["_Question"]:
        """What to ask about these rows; of a class that does not occur there is nothing to ask."""
        questions: list[_Question] = []
        counts: dict[str | None, int] = {None: len(rows)}  # by condition, for many expectations share one
        for position in asked:
            if not self._suite.expectations[position].depends_on_batch:
                questions += self._questions[position]
                continue
            for entry in self._suite.asked(position):
                if entry.condition not in counts:
                    counts[entry.condition] = _rows_that_meet(rows, entry.condition or "")
                if n := counts[entry.condition]:
                    questions.append(_question(self._path, self._suite, position, entry, n))
        return questions


def refused(suite: Suite, path: Path) -> list[SuiteError]:
    """Every entry that Great Expectations refuses."""
    _great_expectations()
    faults = []
    for i in range(len(suite.expectations)):
        try:
            _questions(path, suite, i)
        except SuiteError as error:
            faults.append(error)
    return faults


class _Question(NamedTuple):
    """One expectation, as Great Expectations is asked it."""

    name: str
    """By which its result is known again."""
    position: int
    """Of its entry in the suite."""
    entry: Expectation
    """With every bound in numbers."""
    expectation: Any


def _questions(path: Path, suite: Suite, position: int) -> list[_Question]:
    """An entry as one question, or one for each class; bounds that depend on the batch as if it had a hundred rows."""
    return [_question(path, suite, position, entry, 100) for entry in suite.asked(position)]


def _question(path: Path, suite: Suite, position: int, entry: Expectation, n: int) -> _Question:
    try:
        entry = suite.in_numbers(entry, n)
    except FormulaError as error:
        raise SuiteError(path, entry_name(position, entry.type), str(error)) from error
    name = f"{position} {entry.label}"
    return _Question(name, position, entry, _expectation(path, position, entry, name))


def _rows_that_meet(rows: pa.Table, condition: str) -> int:
    """How many rows do, asked as Great Expectations asks it."""
    needed = set(re.findall(r"\w+", condition))
    try:
        return len(_frame(rows.select([name for name in rows.column_names if name in needed])).query(condition))
    except Exception:  # noqa: BLE001 - whatever pandas raises, the expectation will raise too, and count as it must
        return 1


def _frame(rows: pa.Table) -> Any:
    """As Great Expectations takes it: a RangeIndex and numpy's dtypes; with pyarrow's own, NaN would not count as empty."""
    return rows.to_pandas(split_blocks=True)  # a block for each column: columns need not be copied together


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


def _expectation(path: Path, position: int, entry: Expectation, name: str) -> Any:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return ExpectationConfiguration(
                type=entry.type, kwargs=dict(entry.kwargs), severity=entry.severity, meta={_NAME: name}
            ).to_domain_obj()
    except Exception as error:  # whatever it raises here, the entry is at fault
        problem = " ".join(str(error).split()) or type(error).__name__
        raise SuiteError(path, entry_name(position, entry.type), problem.rstrip(".")) from error


def _outcome(question: _Question, found: Any, frame: Any) -> Outcome:
    position, entry, details = question.position, question.entry, found.result or {}
    positions = details.get("unexpected_index_list")
    if _raised(found.exception_info or {}):
        return Outcome(position, success=False, raised=True, asked=entry)
    if positions is None:
        observed = details.get("observed_value")
        figure = observed.item() if isinstance(observed, np.generic) else observed
        return Outcome(position, success=bool(found.success), observed=figure, asked=entry)
    if positions and entry.type in ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"):
        # it blames all of a group of equals; the first of them is as good as a single one
        candidates = frame if entry.condition is None else frame.query(entry.condition)
        again = candidates.duplicated(subset=entry.columns, keep="first")
        positions = [position for position in positions if again[position]]
    return Outcome(
        position, success=bool(found.success), positions=np.array(sorted(positions), dtype=np.int64), asked=entry
    )


def _raised(information: dict[str, Any]) -> bool:
    """It has two shapes: one exception, or one for each metric."""
    if "raised_exception" in information:
        return bool(information["raised_exception"])
    return any(details.get("raised_exception") for details in information.values())
