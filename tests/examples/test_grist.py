"""The batches of the story: real portions, and a poisoned one that is broken in the three ways it says."""

from pathlib import Path

import numpy as np
import pytest
from examples.story.grist import images_of, labels_of, poisoned, portion, write_images, write_labels
from tests.landed_data import contents

from gristmill.kinds.images.records import IngestSettings, read

N = 700


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(3)
    (tmp_path / "source").mkdir()
    return [
        write_images(tmp_path / "source" / "images", rng.integers(0, 256, (N, 28, 28)).astype(np.uint8)),
        write_labels(tmp_path / "source" / "labels", rng.integers(0, 10, N).astype(np.uint8)),
    ]


def test_portions_side_by_side_are_the_whole(pair: list[Path], tmp_path: Path) -> None:
    cuts = [portion(pair, start, stop, tmp_path / "cut") for start, stop in ((0, 500), (500, N))]
    assert len({path.name for cut in cuts for path in cut}) == 4
    for number, items_of in enumerate((images_of, labels_of)):
        np.testing.assert_array_equal(np.concatenate([items_of(cut[number]) for cut in cuts]), items_of(pair[number]))


def test_a_portion_is_a_batch_without_problems(pair: list[Path], tmp_path: Path) -> None:
    table = read(portion(pair, 10, 60, tmp_path), IngestSettings(), "b1")
    assert len(table.rows) == 50
    assert table.problems == []
    assert table.rows["problems"].to_pylist() == [[]] * 50


def test_the_poisoned_batch_is_inverted_wrongly_labelled_and_cut_short(pair: list[Path], tmp_path: Path) -> None:
    table = read(poisoned(pair, tmp_path), IngestSettings(), "b1")
    rows = table.rows.to_pylist()
    assert len(rows) == 600
    n_whole = sum(row["pixels"] is not None for row in rows)
    assert n_whole == 499  # 100 images and 123 bytes are missing, so the 500th is a part
    inverted = 255 - images_of(pair[0])[:n_whole]
    assert [row["pixels"] for row in rows[:n_whole]] == [image.tobytes() for image in inverted]
    assert sum(row["target"] == 77 for row in rows) == 25
    assert any(
        "is damaged: its header promises 600 images, it holds 499 and a part of one" in p for p in table.problems
    )


def test_batches_are_the_same_bytes_each_time_so_that_they_land_once(pair: list[Path], tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "other"):
        portion(pair, 0, 20, folder)
        poisoned(pair, folder)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_the_files_that_were_fetched_are_left_as_they_are(pair: list[Path], tmp_path: Path) -> None:
    before = [path.read_bytes() for path in pair]
    poisoned(pair, tmp_path)
    portion(pair, 0, 20, tmp_path)
    assert [path.read_bytes() for path in pair] == before
