"""One record is admitted once, with one target, whatever the order in which batches landed."""

import itertools
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from gristmill.quality.duplicates import Candidates, Keys, one_of_each, record_keys
from gristmill.quality.statuses import Status


def batch(
    name: str,
    records: str,
    targets: str,
    role: str = "train",
    corrected: dict[int, int] | None = None,
    out: str = "",
    keys: Keys | None = None,
) -> Candidates:
    """One letter a row: its record_id, its target; `corrected` says on which day of November; `out` are not admitted."""
    statuses = [Status.QUARANTINED if record in out else Status.ADMITTED for record in records]
    record_ids, values = (pa.chunked_array([list(column)], pa.string()) for column in (records, targets))
    return Candidates(
        batch=name,
        role=role,
        keys=record_keys(record_ids) if keys is None else keys,
        statuses=np.array(statuses, dtype=np.int8),
        corrected={p: (datetime(2026, 11, day, tzinfo=UTC), 0) for p, day in (corrected or {}).items()},
        identities=lambda: (record_ids, values),
    )


def letters(*batches: Candidates) -> list[str]:
    """The first letter of each row's status, one word for each batch."""
    return ["".join(Status(status).name[0] for status in statuses) for statuses, _ in one_of_each(batches)]


def test_equal_rows_collapse_to_the_first_within_a_batch_and_across_batches() -> None:
    assert letters(batch("1", "xyx", "373"), batch("2", "yz", "75")) == ["AAC", "CA"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_which_row_is_kept_does_not_depend_on_the_order_of_landing(order: tuple[int, ...]) -> None:
    batches = [batch("1", "xy", "37"), batch("2", "yzv", "751"), batch("3", "vx", "24")]
    found = dict(zip(order, letters(*[batches[i] for i in order]), strict=True))
    assert [found[i] for i in range(3)] == ["QA", "CAQ", "QQ"]


def test_different_targets_of_one_record_quarantine_all_sides_and_say_why() -> None:
    settled = one_of_each([batch("1", "xy", "37"), batch("2", "xx", "35")])
    assert [statuses.tolist() for statuses, _ in settled] == [[1, 0], [1, 1]]
    assert settled[1][1][0].sentence(2).startswith("2 of 2 rows are the same record as another row with a different")


def test_the_newest_correction_settles_which_target_is_right() -> None:
    assert letters(batch("1", "x", "3"), batch("2", "x", "5", corrected={0: 2})) == ["C", "A"]
    assert letters(batch("1", "x", "3", corrected={0: 3}), batch("2", "x", "5", corrected={0: 2})) == ["A", "C"]
    assert letters(batch("1", "x", "5"), batch("2", "xx", "35", corrected={1: 2})) == ["A", "CC"]


def test_a_record_of_a_benchmark_does_not_collapse_with_one_of_the_training() -> None:
    assert letters(batch("1", "xx", "33", role="benchmark"), batch("2", "x", "3")) == ["AC", "A"]


def test_rows_that_are_not_admitted_take_no_part() -> None:
    assert letters(batch("1", "xy", "37", out="x"), batch("2", "x", "5")) == ["QA", "A"]


def test_batches_without_an_admitted_row_are_left_as_they_are() -> None:
    assert letters(batch("1", "", ""), batch("2", "x", "5", out="x")) == ["", "Q"]


def test_records_of_equal_keys_are_told_apart_by_their_ids() -> None:
    same = np.zeros(3, dtype=np.uint64)
    assert letters(batch("1", "xyx", "373", keys=same), batch("2", "zxy", "536", keys=same)) == ["AQC", "ACQ"]


def test_record_ids_are_read_only_where_keys_are_there_twice() -> None:
    def never() -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        raise AssertionError

    alone = batch("1", "xy", "37")._replace(identities=never)
    assert letters(alone, batch("2", "zz", "55"), batch("3", "v", "1")._replace(identities=never)) == ["AA", "AC", "A"]
