"""The verdict on one batch: which rows are good, which are kept with reasons, and whether the batch stands as a whole.

    rows      what ingest could not read in a row, and critical expectations of rows, cost those rows alone
    batch     its structure, critical expectations about the batch, expectations that could not be evaluated, and a share
              of bad rows above `max_bad_rows` cost the whole batch
    mostly    an expectation of rows with `mostly` is both: the rows it names are kept out, and the batch too where more
              rows break it than it tolerates
Warnings and infos are only reported, and what their `mostly` tolerates is not. Rows that a decision keeps out are not looked
at; rows that a person released are admitted in spite of reasons, unless a value that the suite calls `needed` is empty:
nothing could be learnt from them.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.quality.decisions import Standing, fitted
from gristmill.quality.reasons import Positions, Reason, batch_fault, row_fault, subject_of
from gristmill.quality.statuses import Status, Statuses
from gristmill.quality.structure import Structure
from gristmill.quality.suite import Expectation, Suite, looked_at

_ROW_NUMBER = r", row \d+: "
_QUOTED = re.compile(r": '(.+?)' ")
"""The column that a problem of ingest's begins with."""


class Outcome(NamedTuple):
    """What one expectation found in a table."""

    expectation: int
    """Its position in the suite."""
    success: bool
    raised: bool = False
    """It could not be evaluated; this counts against the batch."""
    positions: Positions | None = None
    """The rows that break it, rising; None for an expectation about the table as a whole."""
    observed: object = None
    """The figure it looked at, where there is one."""
    asked: Expectation | None = None
    """The entry as it was asked of this batch, its bounds in numbers and about one class; None: as the suite has it."""


class Verdict(NamedTuple):
    """One batch, judged by itself."""

    statuses: Statuses
    whole: bool
    """Quarantined as a whole, not for single rows."""
    reasons: list[Reason]
    targets: dict[int, object]
    """Corrected targets by position, of the column's type."""


Check = Callable[[pa.Table, list[int]], list[Outcome]]
"""Ask the expectations at these positions of the suite about these rows."""


def judge(
    rows: pa.Table, structure: Structure, standing: Standing, suite: Suite, max_bad_rows: float, check: Check
) -> Verdict:
    """Judge one batch.

    Args:
        rows: record_id, target, problems, and the columns that the suite reads, as far as they are there once.
        structure: the judgement of its shape.
        standing: its decisions.
        suite: what is expected.
        max_bad_rows: the share of bad rows above which the whole batch is quarantined.
        check: asks Great Expectations.
    """
    targets, misfits = _corrected(rows, standing)
    rows = with_targets(rows, targets)
    looks = standing.kept_out == Status.ADMITTED
    candidates = np.flatnonzero(looks)
    useless = np.zeros(len(rows), dtype=np.bool_)
    reasons = [] if len(rows) and not len(candidates) else list(structure.reasons)
    if len(candidates):
        reasons += (problems := _problems(rows, looks, suite))
        unread = _marked(problems, len(rows))
        if len(misfits):
            text, subject = "corrected to a value of another type", suite.called("target")
            reasons.append(Reason(text, "critical", misfits, subject, columns=("target",)))
            unread[misfits] = True
        for name, empty in _needed_but_empty(rows, suite, structure).items():
            useless |= empty
            if len(where := np.flatnonzero(empty & looks & ~unread)):
                reasons.append(Reason("empty", "critical", where, suite.called(name), columns=(name,)))
        asked = [i for i, entry in enumerate(suite.expectations) if structure.sound.issuperset(entry.columns)]
        judged = {"record_id", *looked_at(suite.expectations, rows.column_names)}  # a table of no column has no rows
        seen = rows.select([name for name in rows.column_names if name in judged & structure.sound - {"problems"}])
        for outcome in check(seen if looks.all() else seen.take(pa.array(candidates)), asked):
            reasons += _found(outcome, suite, candidates, unread)

    bad = _marked([reason for reason in reasons if reason.severity == "critical"], len(rows))
    rescued = standing.released & ~useless
    if (standing.released & bad & useless).any():
        text = "released, but a value that is needed is empty"
        reasons.append(
            Reason(text, "critical", np.flatnonzero(standing.released & bad & useless), verb=("was", "were"))
        )
    bad &= ~rescued
    if (n_bad := int(bad.sum())) > max_bad_rows * len(candidates):
        text = (
            f"{n_bad} of {len(candidates)} rows are bad, more than the share of {max_bad_rows:g} that a batch may have"
        )
        reasons.append(Reason(text, "critical"))
    whole = any(reason.positions is None and reason.severity == "critical" for reason in reasons)

    statuses = standing.kept_out.copy()
    statuses[bad] = Status.QUARANTINED
    if whole:
        statuses[(standing.kept_out == Status.ADMITTED) & ~rescued] = Status.QUARANTINED
    return Verdict(statuses, whole, reasons + standing.reasons, targets)


def _corrected(rows: pa.Table, standing: Standing) -> tuple[dict[int, object], Positions]:
    """Corrected targets by position (None where they do not fit), and the positions of those that do not."""
    column = rows.schema.field("target").type
    targets = {position: fitted(standing.corrections[position].target, column) for position in standing.corrections}
    misfits = sorted(p for p, target in targets.items() if target is None and not standing.kept_out[p])
    return targets, np.array(misfits, dtype=np.int64)


def with_targets(rows: pa.Table, targets: dict[int, object]) -> pa.Table:
    """The rows, with corrected targets by position."""
    if not targets:
        return rows
    column = rows.schema.get_field_index("target")
    values = rows.column("target").to_pylist()
    for position, target in targets.items():
        values[position] = target
    declared = rows.schema.field(column).type
    corrected = pa.array(values, None if pa.types.is_null(declared) else declared)
    return rows.set_column(column, "target", corrected)


def _problems(rows: pa.Table, looks: npt.NDArray[np.bool_], suite: Suite) -> list[Reason]:
    """What ingest could not read, the rows of each problem together."""
    column = rows.column("problems").combine_chunks()
    parents, problems = pc.list_parent_indices(column), pc.list_flatten(column)
    if not len(problems):
        return []
    positions = parents.to_numpy(zero_copy_only=False).astype(np.int64)
    # "german.csv, row 7: ..." names one row; without its number, equal problems are one reason for all their rows
    named = pc.replace_substring_regex(problems, _ROW_NUMBER, ": ").dictionary_encode()
    codes = named.indices.to_numpy(zero_copy_only=False)
    by_problem = np.argsort(codes, kind="stable")
    groups = np.split(positions[by_problem], np.flatnonzero(np.diff(codes[by_problem])) + 1)
    reasons = []
    by_called = {suite.called(name): name for name in (*rows.column_names, *suite.meta.columns)}
    for problem, where in zip(named.dictionary.to_pylist(), groups, strict=True):
        if len(where := np.unique(where[looks[where]])):
            quoted = _QUOTED.search(problem)  # "german.csv: 'Amount' is not a number"
            columns = (by_called[quoted[1]],) if quoted and quoted[1] in by_called else ()
            verb = ("cannot be read:", "cannot be read:")
            reasons.append(Reason(problem, "critical", where, verb=verb, columns=columns))
    return reasons


def _found(outcome: Outcome, suite: Suite, candidates: Positions, unread: npt.NDArray[np.bool_]) -> list[Reason]:
    """The reasons that one expectation gives; `unread` rows are not blamed again for being empty."""
    entry = outcome.asked or suite.expectations[outcome.expectation]
    subject = subject_of(entry, suite)
    if outcome.raised:
        words = entry.type.removeprefix("expect_").replace("_", " ")
        return [Reason(f"'{words}' cannot be evaluated on these values", entry.severity, None, subject)]
    if outcome.positions is None:
        if outcome.success:
            return []
        return [Reason(batch_fault(entry, outcome.observed), entry.severity, None, subject, notes=entry.notes)]
    where = candidates[outcome.positions]
    if entry.type == "expect_column_values_to_not_be_null":
        where = where[~unread[where]]
    reasons = []
    is_tolerated = entry.tolerates_rows and outcome.success and entry.severity != "critical"
    if len(where) and not is_tolerated:
        text, columns = row_fault(entry, suite), tuple(entry.columns)
        reasons.append(Reason(text, entry.severity, where, subject, notes=entry.notes, columns=columns))
    if entry.tolerates_rows and not outcome.success:
        tolerated = f"{1 - float(entry.kwargs['mostly']):.4g}"
        text = f"more rows than the tolerated share of {tolerated} are {row_fault(entry, suite)}"
        reasons.append(Reason(text, entry.severity, None, subject))
    return reasons


def _needed_but_empty(rows: pa.Table, suite: Suite, structure: Structure) -> dict[str, npt.NDArray[np.bool_]]:
    """For each needed column that was read, the rows where it is empty; a target is always needed."""
    needed = dict.fromkeys(["target", *(name for name, column in suite.meta.columns.items() if column.needed)])
    return {
        name: rows.column(name).is_null(nan_is_null=True).to_numpy()
        for name in needed
        if name in rows.column_names and name in structure.sound
    }


def _marked(reasons: list[Reason], n_rows: int) -> npt.NDArray[np.bool_]:
    """The rows that any of the reasons is about."""
    marked = np.zeros(n_rows, dtype=np.bool_)
    for reason in reasons:
        if reason.positions is not None:
            marked[reason.positions] = True
    return marked
