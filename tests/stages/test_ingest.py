"""From landed bytes to one table for each batch."""

import shutil
from pathlib import Path

import pytest
from tests.landed_data import TABLE_PARAMS, contents, csv, land, pictures, workload

from gristmill.data.batches import read_batch
from gristmill.ground.settings import SettingsError
from gristmill.stages.ingest import ChangedPartError, ingest


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_each_landed_batch_becomes_a_table_of_its_name(kind: str, tmp_path: Path) -> None:
    small = workload(tmp_path, kind)
    n_rows = {}
    for n in (3, 5):
        parts = pictures(n, seed=n) if kind == "images" else (csv(n, seed=n),)
        n_rows[land(small, *parts)] = n
    ingest(small)
    assert {path.stem: len(read_batch(path).rows) for path in small.batches.iterdir()} == n_rows


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_the_tables_are_the_same_bytes_when_made_again_elsewhere_or_landed_in_another_order(
    kind: str, tmp_path: Path
) -> None:
    made = []
    for name, order in (("one", [1, 2, 3]), ("other", [3, 1, 2])):
        small = workload(tmp_path / name, kind)
        for month, seed in enumerate(order, 1):
            parts = pictures(40, seed) if kind == "images" else (csv(40, seed),)
            land(small, *parts, month=f"2026-0{month}")
        ingest(small)
        ingest(small)
        made.append(contents(small.batches))
    assert len(made[0]) == 3
    assert made[0] == made[1]


@pytest.mark.parametrize("kind", ["images", "tabular"])
def test_it_never_fails_on_data(kind: str, tmp_path: Path) -> None:
    small = workload(tmp_path, kind)
    batches = {land(small, content) for content in (b"", b"\x00\x00\x08\x03\x00", b"\xff\xfe\n\x00\n", b'a,"b\n')}
    ingest(small)
    assert {path.stem for path in small.batches.iterdir()} == batches
    assert all(read_batch(path).problems for path in small.batches.iterdir())


def test_a_landing_without_batches_makes_an_empty_folder(tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    ingest(small)
    assert list(small.batches.iterdir()) == []


def test_a_batch_that_is_gone_from_the_landing_leaves_no_table(tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    land(small, csv(3, seed=1))
    ingest(small)
    shutil.rmtree(small.landing)
    small.landing.mkdir()
    ingest(small)
    assert list(small.batches.iterdir()) == []


def test_what_could_not_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = workload(tmp_path, "tabular")
    batch = land(small, b"amount,class\n1,Good\n")
    ingest(small)
    assert capsys.readouterr().out == f"{batch} (train): 1 rows\n  part-0 lacks the column 'purpose'\n"


def test_a_part_that_is_not_the_one_that_landed_stops_the_stage_and_keeps_what_was_there(tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular")
    batch = land(small, csv(3, seed=1))
    ingest(small)
    before = contents(small.batches)
    part = small.landing / "2026-01" / batch / "part-0"
    part.write_bytes(csv(3, seed=2))
    with pytest.raises(ChangedPartError, match=rf"'part-0' of batch {batch} has other bytes than its manifest names"):
        ingest(small)
    part.unlink()
    with pytest.raises(ChangedPartError, match=rf"'part-0' of batch {batch} is missing"):
        ingest(small)
    assert contents(small.batches) == before
    assert [path.name for path in small.data.iterdir() if path.name.startswith(".")] == []


def test_a_setting_that_does_not_fit_is_named(tmp_path: Path) -> None:
    small = workload(tmp_path, "tabular", {**TABLE_PARAMS, "ingest": {"columns": {"amount": "numbers"}}})
    with pytest.raises(
        SettingsError, match=r"small.yaml: ingest.columns.amount is 'numbers': .*ingest.target is missing"
    ):
        ingest(small)
