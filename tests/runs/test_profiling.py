"""`gristmill expectations profile`: the reference is what was admitted, the same by whatever way it is read."""

from pathlib import Path

import pytest
from tests.applications import applications, write_applications
from tests.conftest import gristmill

from gristmill.quality.profile import read_profile
from gristmill.quality.suite import read_suite
from gristmill.runs.landing import land
from gristmill.runs.profiling import (
    NothingToProfileError,
    declared_columns,
    profile_of_admitted,
    profile_of_files,
    records_of,
)
from gristmill.runs.repository import Repository

W = "credit-risk"


def test_the_profile_of_what_was_admitted_is_that_of_the_files_that_landed(turned: Repository, tmp_path: Path) -> None:
    done = gristmill(turned.here, "expectations", "profile", W)
    assert done.stdout == (
        f"expectations/{W}.profile.json: 400 rows, 21 columns, 2 classes; review it, then commit it\n"
    )
    workload = turned.workload(W)
    admitted = workload.profile.read_bytes()
    assert read_suite(workload.expectations, W).profile == read_profile(workload.profile)

    file = write_applications(tmp_path / "first.csv", applications(400, seed=1))
    done = gristmill(turned.here, "expectations", "profile", W, "--from", str(file))
    assert done.stdout == f"expectations/{W}.profile.json: 400 rows; nothing changed\n"
    assert workload.profile.read_bytes() == admitted


def test_rows_that_cannot_be_read_are_no_reference(repository: Repository, tmp_path: Path) -> None:
    workload = repository.workload(W)
    rows = applications(40, seed=2)
    whole = write_applications(tmp_path / "whole.csv", rows[:30])
    for row in rows[30:]:
        row["Age"] = "old"
    some = write_applications(tmp_path / "some.csv", rows)
    settings = records_of(workload).IngestSettings.read(workload.params, "ingest")
    columns = declared_columns(workload)
    assert profile_of_files(workload, settings, [some], columns) == profile_of_files(
        workload, settings, [whole], columns
    )


def test_without_a_turn_or_a_readable_file_a_sentence_says_what_to_do(repository: Repository, tmp_path: Path) -> None:
    land(repository, repository.workload(W), [write_applications(tmp_path / "a.csv", applications(2, seed=3))])
    with pytest.raises(NothingToProfileError, match=r"no turn has been recorded\. Land data.*--from FILE"):
        profile_of_admitted(repository, repository.workload(W))
    (tmp_path / "notes.txt").write_text("hello\n", "utf-8")
    done = gristmill(repository.here, "expectations", "profile", W, "--from", str(tmp_path / "notes.txt"))
    assert done.returncode == 1 and "notes.txt has no header, or another table's" in done.stdout
