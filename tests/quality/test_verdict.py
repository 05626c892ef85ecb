"""The verdict on one batch, with the outcomes of the expectations given."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from gristmill.data.manifest import Decision
from gristmill.quality.decisions import read_decisions
from gristmill.quality.statuses import Status
from gristmill.quality.structure import Structure
from gristmill.quality.suite import Suite
from gristmill.quality.verdict import Outcome, Verdict, judge

N = 100


def suite(**entry: Any) -> Suite:
    kwargs = {"column": "size", "min_value": 0, **entry.pop("kwargs", {})}
    expectation = {"type": "expect_column_values_to_be_between", "kwargs": kwargs, **entry}
    return Suite.model_validate(
        {
            "name": "shop",
            "meta": {
                "columns": {
                    "target": {"type": "integer", "called": "label"},
                    "scan": {"type": "number", "needed": True},
                }
            },
            "expectations": [expectation],
        }
    )


def rows(**changed: dict[int, Any]) -> pa.Table:
    columns: dict[str, list[Any]] = {
        "record_id": [f"r{i}" for i in range(N)],
        "target": [i % 3 for i in range(N)],
        "size": [1.0] * N,
        "scan": [1.0] * N,
        "problems": [[] for _ in range(N)],
    }
    for name, values in changed.items():
        for position, value in values.items():
            columns[name][position] = value
    return pa.table(columns)


def verdict(
    table: pa.Table,
    outcome: Outcome | None = None,
    decisions: tuple[tuple[str, Any], ...] = (),
    structure: Structure | None = None,
    rules: Suite | None = None,
    max_bad_rows: float = 0.01,
) -> Verdict:
    made = [
        Decision(decision=verb, actor="Ada", reason="why", at=datetime(2026, 11, 1, tzinfo=UTC), rows=about)  # type: ignore[arg-type]
        if verb != "correct"
        else Decision(
            decision="correct", actor="Ada", reason="why", at=datetime(2026, 11, 1, tzinfo=UTC), targets=about
        )
        for verb, about in decisions
    ]
    return judge(
        table,
        structure or Structure([], frozenset(table.column_names)),
        read_decisions(made, table.column("record_id")),
        rules or suite(),
        max_bad_rows,
        lambda _rows, asked: [outcome] if outcome and asked else [],
    )


def bad(*positions: int, success: bool = False) -> Outcome:
    return Outcome(0, success, positions=np.array(positions))


def of(status: Status, verdict: Verdict) -> list[int]:
    return [int(position) for position in np.flatnonzero(verdict.statuses == status)]


def sentences(verdict: Verdict) -> list[str]:
    return [reason.sentence(N) for reason in verdict.reasons]


def test_bad_rows_up_to_the_allowed_share_are_kept_out_alone() -> None:
    found = verdict(rows(), bad(4))
    assert of(Status.QUARANTINED, found) == [4]
    assert sentences(found) == ["size: 1 of 100 rows is below 0"]


def test_one_bad_row_more_costs_the_whole_batch() -> None:
    found = verdict(rows(), bad(4, 5))
    assert found.whole
    assert len(of(Status.QUARANTINED, found)) == N
    assert sentences(found)[-1] == "2 of 100 rows are bad, more than the share of 0.01 that a batch may have"


def test_warnings_and_infos_are_reported_and_decide_nothing() -> None:
    for severity in ("warning", "info"):
        found = verdict(rows(), bad(*range(50)), rules=suite(severity=severity))
        assert of(Status.ADMITTED, found) == list(range(N))
        assert [reason.severity for reason in found.reasons] == [severity]


def test_an_expectation_about_the_batch_costs_the_whole_batch() -> None:
    found = verdict(rows(), Outcome(0, success=False, observed=3))
    assert len(of(Status.QUARANTINED, found)) == N


def test_an_expectation_that_raised_counts_against_the_batch() -> None:
    found = verdict(rows(), Outcome(0, success=False, raised=True))
    assert found.whole
    assert sentences(found) == ["size: 'column values to be between' cannot be evaluated on these values"]


def test_broken_tolerance_costs_the_batch_and_kept_tolerance_only_the_rows() -> None:
    tolerant = suite(kwargs={"mostly": 0.98})
    kept = verdict(rows(), bad(1, success=True), rules=tolerant)
    assert of(Status.QUARANTINED, kept) == [1]
    broken = verdict(rows(), bad(1, 2, 3), rules=tolerant, max_bad_rows=0.5)
    assert broken.whole
    assert "size: more rows than the tolerated share of 0.02 are below 0" in sentences(broken)


def test_a_warning_that_tolerates_rows_is_told_only_when_there_are_more() -> None:
    tolerant = suite(kwargs={"mostly": 0.98}, severity="warning")
    assert sentences(verdict(rows(), bad(1, success=True), rules=tolerant)) == []
    told = sentences(verdict(rows(), bad(1, 2, 3), rules=tolerant))
    assert told == ["size: 3 of 100 rows are below 0", "size: more rows than the tolerated share of 0.02 are below 0"]


def test_what_ingest_could_not_read_keeps_its_row_out_and_is_not_told_twice() -> None:
    found = verdict(
        rows(problems={7: ["size is no number"]}, size={7: None}, scan={7: None}),
        bad(7),
        rules=suite(type="expect_column_values_to_not_be_null", kwargs={}),
    )
    assert of(Status.QUARANTINED, found) == [7]
    assert sentences(found) == ["1 of 100 rows cannot be read: size is no number"]


def test_an_empty_target_keeps_its_row_out_without_being_asked_for() -> None:
    found = verdict(rows(target={9: None}))
    assert of(Status.QUARANTINED, found) == [9]
    assert sentences(found) == ["label: 1 of 100 rows is empty"]


def test_a_fault_of_structure_costs_the_batch_and_only_sound_columns_are_asked_about() -> None:
    from gristmill.quality.reasons import Reason

    unsound = Structure(
        [Reason("the column 'size' is missing", "critical")], frozenset({"record_id", "target", "scan"})
    )
    found = verdict(rows(), bad(1), structure=unsound)
    assert found.whole
    assert sentences(found) == ["the column 'size' is missing"]


def test_released_rows_are_admitted_in_spite_of_reasons_and_do_not_count_as_bad() -> None:
    found = verdict(rows(), bad(4, 5), decisions=(("release", ["r5"]),))
    assert of(Status.QUARANTINED, found) == [4]
    whole = verdict(rows(), Outcome(0, success=False), decisions=(("release", ["r5"]),))
    assert of(Status.ADMITTED, whole) == [5]
    assert of(Status.ADMITTED, verdict(rows(), bad(*range(50)), decisions=(("release", None),))) == list(range(N))


def test_nothing_releases_a_row_without_a_value_that_is_needed() -> None:
    found = verdict(rows(scan={3: None}, problems={3: ["the scan is cut off"]}), decisions=(("release", None),))
    assert of(Status.QUARANTINED, found) == [3]
    assert "1 of 100 rows was released, but a value that is needed is empty" in sentences(found)


def test_rows_that_a_decision_keeps_out_are_not_looked_at() -> None:
    seen = []

    def check(table: pa.Table, asked: list[int]) -> list[Outcome]:
        seen.append(table.num_rows)
        return [bad(90)]  # the 91st of the rows that are looked at

    made = Decision(
        decision="drop", actor="Ada", reason="why", at=datetime(2026, 11, 1, tzinfo=UTC), rows=("r0", "r1", "r2")
    )
    table = rows()
    found = judge(
        table,
        Structure([], frozenset(table.column_names)),
        read_decisions([made], table.column("record_id")),
        suite(),
        0.02,
        check,
    )
    assert seen == [97]
    assert of(Status.QUARANTINED, found) == [93]
    assert of(Status.DROPPED, found) == [0, 1, 2]


def test_a_batch_that_is_kept_out_whole_is_not_judged() -> None:
    found = verdict(rows(), Outcome(0, success=False), decisions=(("withhold", None),))
    assert of(Status.WITHHELD, found) == list(range(N))
    assert not found.whole


def test_a_correction_changes_the_target_before_it_is_judged() -> None:
    found = verdict(rows(target={9: None}), decisions=(("correct", {"r9": "2"}),))
    assert of(Status.ADMITTED, found) == list(range(N))
    assert found.targets == {9: 2}


def test_a_correction_of_another_type_keeps_its_row_out() -> None:
    found = verdict(rows(), decisions=(("correct", {"r9": "boot"}),))
    assert of(Status.QUARANTINED, found) == [9]
    assert "label: 1 of 100 rows is corrected to a value of another type" in sentences(found)


def test_equal_problems_of_many_rows_are_one_reason() -> None:
    found = verdict(
        rows(problems={i: [f"till.csv, row {i + 1}: 'size' is not a number"] for i in (3, 7, 8)}), max_bad_rows=0.1
    )
    assert sentences(found) == ["3 of 100 rows cannot be read: till.csv: 'size' is not a number"]
