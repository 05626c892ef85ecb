"""Corrections from a person's file: all of it, in every batch that holds the records, or a list of what is wrong."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.judged_turns import House
from tests.recorded_turns import W

from gristmill.kinds.images import records as images
from gristmill.kinds.tabular.records import IngestSettings, read
from gristmill.runs.correcting import CorrectionsError, correct
from gristmill.runs.deciding import Decided
from gristmill.runs.landed import Landing
from gristmill.runs.landing import land
from gristmill.runs.repository import Repository

MakeFile = Callable[[str, str], Path]


def records(house: House, batch: str) -> dict[str, str]:
    """Targets by record_id, as the kind reads them from what landed."""
    repository = house.repository
    settings = IngestSettings.read(repository.workload(W).params, "ingest")
    with Landing(repository, W, repository.mill.tip()).parts(batch) as parts:
        rows = read(parts, settings, batch).rows
    return dict(zip(rows.column("record_id").to_pylist(), rows.column("target").to_pylist(), strict=True))


def given(repository: Repository, workload: str, batch: str) -> list[dict[str, Any]]:
    """The targets that decisions gave to records of a batch."""
    landing = Landing(repository, workload, repository.mill.tip())
    return [dict(decision.targets or {}) for decision in landing.decisions(batch).values()]


def other(target: str) -> str:
    return "Good" if target == "Bad" else "Bad"


def mend(house: House, file: Path) -> Decided:
    return correct(house.repository, house.repository.workload(W), file, "a second look")


def test_one_file_corrects_batches_judged_or_not_in_one_commit_and_says_what_was_right_already(
    own: House, make_file: MakeFile
) -> None:
    repository, batches = own.repository, (own.good, own.unjudged)
    (a, b), (c, *_) = list(records(own, own.good).items())[:2], records(own, own.unjudged).items()
    rows = [f"{a[0]};{other(a[1])};seen", f"{b[0]};{b[1]};fine", f"{c[0]};{other(c[1])};", f"{a[0]};{other(a[1])};"]
    file = make_file(
        "corrections.csv", "\ufeffrecord_id;target;remark\n" + "\n".join(rows)
    )  # as a spreadsheet saves it
    tip = repository.mill.tip()
    done = mend(own, file)
    assert (set(done.batches), done.n_rows) == (set(batches), 2)
    assert done.notes == ("1 record has the target that the file gives already",)
    assert given(repository, W, batches[0]) == [{a[0]: other(a[1])}]
    assert given(repository, W, batches[1]) == [{c[0]: other(c[1])}]
    assert repository.git.log("refs/heads/mill", "%H")[1] == tip
    with pytest.raises(CorrectionsError, match="every record in it has that target already"):
        mend(own, file)


def test_every_problem_of_a_file_is_named_with_its_row_and_nothing_is_done(house: House, make_file: MakeFile) -> None:
    known, tip = list(records(house, house.good)), house.repository.mill.tip()
    lines = ["target,record_id", f"Godo,{known[0]}", "Bad,nobody", f"Good,{known[1]}", "Good,nobody else"]
    with pytest.raises(CorrectionsError) as refused:
        mend(house, make_file("corrections.csv", "\n".join(lines)))
    assert str(refused.value).splitlines() == [
        "corrections.csv was not taken in, and nothing was changed:",
        "  row 1: 'Godo' is none of the classes (Bad, Good)",
        f"  row 2: 'nobody' is no record of {W}",
        f"  row 4: 'nobody else' is no record of {W}",
    ]
    lines = ["record_id,target", f"{known[0]},", "x", f"{known[0]},Bad", f"{known[0]},Good"]
    with pytest.raises(CorrectionsError) as refused:
        mend(house, make_file("corrections.csv", "\n".join(lines)))
    assert str(refused.value).splitlines()[1:] == [
        "  row 1: the target is empty",
        "  row 2: 1 cells where the header has 2",
        f"  row 3: '{known[0]}' has another target here than in row 1",
        f"  row 4: '{known[0]}' has another target here than in row 1",
    ]
    assert house.repository.mill.tip() == tip


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "its header needs one column record_id and one target"),
        ("id,target\n1,Bad\n", "its header needs one column record_id"),
        ("record_id,target\n", "it holds no rows"),
    ],
)
def test_a_file_that_is_no_table_of_corrections_says_what_it_lacks(
    house: House, make_file: MakeFile, content: str, problem: str
) -> None:
    with pytest.raises(CorrectionsError) as refused:
        mend(house, make_file("corrections.csv", content))
    assert str(refused.value).splitlines()[1:] == [f"  {problem}"]
    with pytest.raises(CorrectionsError, match=r"cannot be read \(No such file"):
        mend(house, Path("nowhere.csv"))


def test_a_picture_is_corrected_by_the_name_of_its_class_or_by_its_number(
    own: House, tmp_path: Path, make_file: MakeFile
) -> None:
    repository = own.repository
    pictures = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    (tmp_path / "images").write_bytes(struct.pack(">HBB3I", 0, 8, 3, 3, 28, 28) + pictures.tobytes())
    (tmp_path / "labels").write_bytes(struct.pack(">HBBI", 0, 8, 1, 3) + bytes([0, 1, 2]))
    workload = repository.workload("fashion-mnist")
    batch = land(repository, workload, [tmp_path / "images", tmp_path / "labels"]).manifest.batch
    landing = Landing(repository, workload.name, repository.mill.tip())
    with landing.parts(batch) as parts:
        ids = images.read(parts, images.IngestSettings(), batch).rows.column("record_id").to_pylist()
    with pytest.raises(CorrectionsError, match="row 1: '10' is none of the classes"):
        correct(repository, workload, make_file("c.csv", f"record_id,target\n{ids[0]},10\n"), "no")
    correct(repository, workload, make_file("c.csv", f"record_id,target\n{ids[0]},Sneaker\n{ids[1]},9\n"), "seen")
    assert given(repository, workload.name, batch) == [{ids[0]: 7, ids[1]: 9}]
