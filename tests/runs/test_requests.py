"""The request log: finished segments become Parquet, nothing is lost or told twice, and old days go."""

import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from gristmill.runs.repository import Repository
from gristmill.runs.requests import (
    UnknownRequestError,
    answers_of,
    days,
    find_labels,
    find_request,
    roll,
)
from gristmill.serving.ids import Ids
from gristmill.serving.request_log import Entry, RequestLog

W = "credit-risk"
DAY_1, DAY_2 = 1_800_000_000.0, 1_800_100_000.0
ZEROS = {"offered": 0, "written": 0, "dropped": 0, "lost": 0}


def entry(number: int, at: float = DAY_1, **changed: Any) -> Entry:
    return Entry(
        request_id=f"{number:032x}",
        at=at,
        version="v1.0.0",
        model_sha256="a" * 64,
        role="champion",
        latency_s=0.002,
        columns={"Age": np.array([40.0, np.nan]), "Housing": np.array(["Own", None], dtype=object)},
        personal=frozenset(),
        predictions=[{"label": "Good", "probabilities": {"Bad": 0.25, "Good": 0.75}}] * 2,
    )._replace(**changed)


def answered(repository: Repository, *entries: Entry) -> RequestLog:
    """A service's log with these answers; it lives on until it is stopped."""
    root = repository.serving(W)
    log = RequestLog(root, Ids(root).blind, lambda: None)
    log.start()
    for one in entries:
        log.put(one)
    return log


def label(repository: Repository, request_id: str, item: int, name: str, at: str = "2027-01-16") -> None:
    with sqlite3.connect(repository.serving(W) / "feedback.sqlite") as base:
        base.execute("CREATE TABLE IF NOT EXISTS feedback(request_id TEXT, item INTEGER, label TEXT, at TEXT)")
        base.execute("INSERT INTO feedback VALUES (?, ?, ?, ?)", (request_id, item, name, at))


def told(repository: Repository) -> list[Any]:
    return sorted(answers_of(repository, W))


def files(repository: Repository, pattern: str) -> list[Path]:
    return sorted((repository.serving(W) / "requests").glob(pattern))


def test_what_is_finished_becomes_parquet_and_says_the_same(repository: Repository) -> None:
    answered(repository, *(entry(number) for number in range(3))).stop()
    before = told(repository)
    totals = roll(repository, repository.workload(W), date(2027, 1, 20))
    assert totals == ZEROS | {"offered": 3, "written": 3}
    assert (files(repository, "*.jsonl"), files(repository, "*.count")) == ([], [])
    [path] = files(repository, "2027-01-15/*.parquet")
    assert told(repository) == before
    table = pq.read_table(path)
    assert table.num_rows == 6 and table["item"].to_pylist() == [0, 1] * 3
    assert table["features"].to_pylist()[1] == {"Age": None, "Housing": None}
    assert roll(repository, repository.workload(W), date(2027, 1, 20)) == totals, "again changes nothing"
    assert told(repository) == before


def test_a_segment_that_grows_stays_until_its_process_has_closed_it(repository: Repository) -> None:
    log = answered(repository, entry(1))
    while not told(repository):
        pass
    assert roll(repository, repository.workload(W), date(2027, 1, 20)) == ZEROS
    assert len(files(repository, "*.jsonl")) == len(files(repository, "*.count")) == 1
    log.put(entry(2))
    log.stop()
    roll(repository, repository.workload(W), date(2027, 1, 20))
    assert [asked.request_id for asked in told(repository)] == [f"{1:032x}", f"{2:032x}"]


def test_what_a_sudden_end_cut_off_is_left_out_and_counted(repository: Repository) -> None:
    answered(repository, entry(1), entry(2)).stop()
    [lines], [counts] = files(repository, "*.jsonl"), files(repository, "*.count")
    lines.write_bytes(lines.read_bytes()[:-30])
    counts.write_bytes(counts.read_bytes()[:16] + (1).to_bytes(8, "little"))
    assert roll(repository, repository.workload(W), date(2027, 1, 20)) == ZEROS | {
        "offered": 2,
        "written": 1,
        "lost": 1,
    }
    assert [asked.request_id for asked in told(repository)] == [f"{1:032x}"]


def test_old_days_and_their_labels_go(repository: Repository) -> None:
    params = repository.root / "params" / f"{W}.yaml"
    params.write_text(params.read_text("utf-8") + "serving: {log_days: 2}\n", "utf-8")
    answered(repository, entry(1)).stop()
    roll(repository, repository.workload(W), date(2027, 1, 16))
    answered(repository, entry(2, at=DAY_2)).stop()
    label(repository, f"{1:032x}", 0, "Good", "2027-01-15T09:00:00+00:00")
    label(repository, f"{2:032x}", 0, "Good", "2027-01-16T14:00:00+00:00")
    roll(repository, repository.workload(W), date(2027, 1, 17))
    assert [len(find_labels(repository, asked)) for asked in told(repository)] == [1, 1]
    gone = told(repository)[0]
    roll(repository, repository.workload(W), date(2027, 1, 18))
    assert [asked.request_id for asked in told(repository)] == [f"{2:032x}"]
    assert find_labels(repository, gone) == []
    assert len(find_labels(repository, told(repository)[0])) == 1


@pytest.mark.parametrize("is_rolled", [False, True])
def test_a_request_is_found_by_its_id_in_either_form(repository: Repository, is_rolled: bool) -> None:
    answered(repository, entry(1, role="shadow", version="v2.0.0"), entry(1), entry(2)).stop()
    if is_rolled:
        roll(repository, repository.workload(W), date(2027, 1, 20))
    found = find_request(repository, f"{1:032x}")
    assert (found.workload, found.version, found.role, len(found.predictions)) == (W, "v1.0.0", "champion", 2)
    assert found.features == {"Age": [40.0, None], "Housing": ["Own", None]}
    with pytest.raises(UnknownRequestError, match=r"no answered request is called 'nobody': none of the 1 logs"):
        find_request(repository, "nobody")


def test_days_say_how_often_the_answers_were_right(repository: Repository) -> None:
    answered(repository, entry(1), entry(2, at=DAY_2), entry(2, at=DAY_2, role="shadow", version="v2.0.0")).stop()
    for item, name in enumerate(("Good", "Bad")):
        label(repository, f"{1:032x}", item, name)
    newest, oldest = days(repository, W)
    assert (newest.day, newest.version, newest.n_answers, newest.n_items, newest.n_labelled) == (
        "2027-01-16",
        "v1.0.0",
        1,
        2,
        0,
    )
    assert (oldest.day, oldest.n_labelled, oldest.accuracy, oldest.mean_error) == ("2027-01-15", 2, 0.5, None)
    assert newest.accuracy is None
    assert oldest.latency_ms == pytest.approx(2.0)


def test_days_say_how_far_off_numbers_were(repository: Repository) -> None:
    answered(repository, entry(1, predictions=[{"prediction": 2.0}, {"prediction": 5.0}])).stop()
    for item, name in enumerate(("3.0", "5.5")):
        label(repository, f"{1:032x}", item, name)
    [day] = days(repository, W)
    assert (day.accuracy, day.mean_error) == (None, 0.75)
