"""Decisions: the newest stands, for a whole batch or for rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from gristmill.data.manifest import Decision
from gristmill.quality.decisions import Standing, fitted, read_decisions
from gristmill.quality.statuses import Status

IDS = pa.chunked_array([["a", "b"], ["c", "a"]])  # two rows are the same record
START = datetime(2026, 11, 1, tzinfo=UTC)


def standing(*decisions: tuple[str, Any]) -> Standing:
    made = []
    for number, (verb, about) in enumerate(decisions):
        named = {"targets" if verb == "correct" else "rows": about}
        at = START + timedelta(days=number)
        made.append(Decision(decision=verb, actor="Ada", reason="why", at=at, **named))  # type: ignore[arg-type]
    return read_decisions(made, IDS)


def kept_out(*decisions: tuple[str, Any]) -> list[str]:
    return [Status(status).name for status in standing(*decisions).kept_out]


def test_a_decision_without_rows_is_about_all_of_them() -> None:
    assert kept_out(("withhold", None)) == ["WITHHELD"] * 4


def test_a_decision_about_a_record_is_about_each_of_its_rows() -> None:
    assert kept_out(("drop", ["a"])) == ["DROPPED", "ADMITTED", "ADMITTED", "DROPPED"]


def test_the_newest_decision_wins_for_each_row() -> None:
    assert kept_out(("drop", None), ("revert", ["b"]), ("release", ["c"])) == [
        "DROPPED",
        "REVERTED",
        "ADMITTED",
        "DROPPED",
    ]
    assert kept_out(("release", ["b"]), ("drop", None)) == ["DROPPED"] * 4


def test_a_release_admits_in_spite_of_reasons() -> None:
    assert standing(("release", ["b"])).released.tolist() == [False, True, False, False]
    assert standing(("drop", ["b"]), ("release", ["b"])).released.tolist() == [False, True, False, False]


@pytest.mark.parametrize("pause", ["withhold", "revert"])
def test_a_release_of_what_was_withheld_or_reverted_only_ends_that(pause: str) -> None:
    once = standing((pause, None), ("release", None))
    assert not once.kept_out.any()
    assert not once.released.any()
    again = standing((pause, None), ("release", None), ("release", None))
    assert again.released.all()


def test_what_was_released_before_a_revert_is_released_after_it() -> None:
    assert standing(("release", ["b"]), ("revert", None), ("release", None)).released.tolist() == [
        False,
        True,
        False,
        False,
    ]


def test_the_newest_correction_stands_beside_other_decisions() -> None:
    stands = standing(("correct", {"a": 3, "b": 4}), ("correct", {"b": 5}), ("drop", ["b"]))
    assert {position: correction.target for position, correction in stands.corrections.items()} == {0: 3, 3: 3, 1: 5}
    assert Status(stands.kept_out[1]) is Status.DROPPED


def test_records_that_are_not_in_the_batch_are_reported() -> None:
    warning, told = standing(("drop", ["b", "x", "y"])).reasons
    assert warning.sentence(4) == "decision 1 (drop) names 2 records that are not in this batch"
    assert told.sentence(4) == "1 of 4 rows was dropped by Ada: why"


def test_a_decision_that_no_longer_stands_is_not_told() -> None:
    assert [reason.sentence(4) for reason in standing(("drop", ["a"]), ("release", None)).reasons] == [
        "4 of 4 rows were released by Ada: why"
    ]


@pytest.mark.parametrize(
    ("target", "column", "value"),
    [
        ("7", pa.int64(), 7),
        (7.0, pa.int64(), 7),
        (7.5, pa.int64(), None),
        ("shoe", pa.int64(), None),
        ("1.5", pa.float64(), 1.5),
        ("nan", pa.float64(), None),
        ("Good", pa.string(), "Good"),
    ],
)
def test_a_corrected_target_takes_the_type_of_its_column_or_none(target: Any, column: pa.DataType, value: Any) -> None:
    assert fitted(target, column) == value
