"""Accounting: figures that add up, and rows that can be found again."""

import numpy as np
import pyarrow as pa
import pytest

from gristmill.quality.accounting import (
    Account,
    admitted_entry,
    batch_status,
    quarantined_positions,
    quarantined_rows,
    report,
    told,
)
from gristmill.quality.reasons import Reason

A, Q, D, W, R, C = range(6)


def account(*statuses: int, n_rows: int | None = None, reasons: tuple[Reason, ...] = ()) -> Account:
    return Account(
        batch="b1",
        role="train",
        n_rows=len(statuses) if n_rows is None else n_rows,
        statuses=np.array(statuses, dtype=np.int8),
        whole=False,
        reasons=list(reasons),
        targets={0: 7, 1: 8},
    )


def test_admitted_rows_are_half_open_ranges_with_the_corrected_targets_of_those_rows_alone() -> None:
    entry = admitted_entry(account(A, Q, A, A, C, A), "ab")
    assert entry == {
        "batch": "b1",
        "role": "train",
        "sha256": "ab",
        "n_rows": 6,
        "rows": [[0, 1], [2, 4], [5, 6]],
        "targets": {"0": 7},
    }


def test_a_batch_without_an_admitted_row_is_not_in_admitted_json() -> None:
    assert admitted_entry(account(Q, C), "ab") is None


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ((A, A, C), "admitted"),
        ((A, D), "admitted"),
        ((A, Q), "partial"),
        ((Q, D, D), "quarantined"),
        ((), "quarantined"),
        ((C, C), "collapsed"),
        ((W, W), "withheld"),
        ((R, R, D), "reverted"),
    ],
)
def test_the_status_of_a_batch_says_what_became_of_its_rows(statuses: tuple[int, ...], status: str) -> None:
    assert batch_status(account(*statuses)) == status


def test_the_report_adds_up() -> None:
    figures = report([account(A, Q, D, W), account(R, C, A)])
    assert figures["rows"] == {
        "admitted": 2,
        "quarantined": 1,
        "dropped": 1,
        "withheld": 1,
        "reverted": 1,
        "collapsed": 1,
        "unjudged": 0,
        "total": 7,
    }


def test_a_row_without_a_status_stops_the_report() -> None:
    with pytest.raises(AssertionError, match="a row of b1 has no status"):
        report([account(A, Q, n_rows=3)])


def test_reasons_of_very_many_kinds_are_cut_to_those_of_the_most_rows() -> None:
    reasons = [Reason(f"fault {i}", "critical", np.array([i]), "size") for i in range(30)]
    lines = told(account(*[Q] * 30, reasons=(*reasons, Reason("common", "critical", np.arange(30), "size"))))
    assert len(lines) == 21
    assert lines[-2]["reason"] == "size: 30 of 30 rows are common"
    assert lines[-1] == {"reason": "11 more reasons of fewer rows", "n_rows": 11, "severity": "info"}


def test_a_quarantined_row_is_kept_with_its_position_and_every_critical_reason() -> None:
    reasons = (
        Reason("below 0", "critical", np.array([1, 3]), "size", columns=("size",)),
        Reason("empty", "critical", np.array([3]), "label", columns=("target",)),
        Reason("above 9", "warning", np.array([3]), "size"),
    )
    of = account(A, Q, A, Q, reasons=reasons)
    kept = quarantined_rows(pa.table({"size": [1, -2, 3, -4]}).take(quarantined_positions(of)), of)
    assert kept.to_pylist() == [
        {"size": -2, "position": 1, "reasons": ["size: below 0"], "columns": [["size"]]},
        {"size": -4, "position": 3, "reasons": ["size: below 0", "label: empty"], "columns": [["size"], ["target"]]},
    ]
