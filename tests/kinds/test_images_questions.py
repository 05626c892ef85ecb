"""Images that a model is asked about: no label is needed, and one of another size is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from examples.story.grist import write_images, write_labels
from tests.picture_files import Pixels, encoded, pixels, write_folder, write_zip

from gristmill.kinds.images.answers import MAX_IMAGES, RequestError, parse
from gristmill.kinds.images.questions import read, requests
from gristmill.kinds.images.records import IngestSettings
from gristmill.kinds.images.records import read as read_landed
from gristmill.kinds.images.tensors import columns

CONTRACT: dict[str, Any] = {"kind": "images", "classes": ["bag", "boot"], "image": {"height": 4, "width": 4}}
SETTINGS = IngestSettings(classes=("bag", "boot"))
IMAGES = np.stack([pixels(seed) for seed in range(3)])


def asked(files: list[Path]) -> tuple[pa.Table, list[str]]:
    problems: list[str] = []
    tables = list(read({str(file): file for file in files}, SETTINGS, CONTRACT, problems, []))
    return pa.concat_tables(tables) if tables else pa.table({}), problems


def check_images(files: list[Path], expected: Pixels) -> None:
    rows, problems = asked(files)
    assert problems == [] and rows["problem"].null_count == len(rows)
    np.testing.assert_array_equal(columns(rows, CONTRACT)["pixels"], expected)


def test_a_file_of_images_needs_no_labels(tmp_path: Path) -> None:
    check_images([write_images(tmp_path / "images", IMAGES)], IMAGES)


def test_labels_beside_images_change_nothing(tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "labels", np.array([0, 1], np.uint8))
    check_images([labels, write_images(tmp_path / "images", IMAGES)], IMAGES)


def test_files_of_images_follow_each_other(tmp_path: Path) -> None:
    files = [write_images(tmp_path / f"images-{n}", IMAGES[n:]) for n in range(2)]
    check_images(files, np.concatenate([IMAGES, IMAGES[1:]]))


@pytest.mark.parametrize("where", ["", "anything/"])
def test_pictures_need_neither_folders_of_classes_nor_a_labels_csv(tmp_path: Path, where: str) -> None:
    files = {f"{where}{n}.png": encoded(image) for n, image in enumerate(IMAGES)}
    check_images(write_folder(tmp_path, files), IMAGES)
    check_images([write_zip(tmp_path / "all.zip", files)], IMAGES)


def test_a_labels_csv_that_names_other_pictures_is_passed_over(tmp_path: Path) -> None:
    files = {"0.png": encoded(IMAGES[0]), "labels.csv": b"file,label\nother.png,hat\n"}
    check_images(write_folder(tmp_path, files), IMAGES[:1])


def test_a_record_is_called_as_when_it_lands(tmp_path: Path) -> None:
    files = write_folder(tmp_path / "b1", {"bag/0.png": encoded(IMAGES[0])})
    assert asked(files)[0]["record_id"] == read_landed(files, SETTINGS, "b1").rows["record_id"]


def test_an_image_of_another_size_and_a_broken_file_are_refused_and_the_others_are_not(tmp_path: Path) -> None:
    files = {"0.png": encoded(IMAGES[0]), "1.png": encoded(pixels(1, 4, 5)), "2.png": b"no picture"}
    rows, _ = asked(write_folder(tmp_path, files))
    sound, size, broken = rows["problem"].to_pylist()
    assert sound is None
    assert size == "images[1] has 4 rows of 5 pixels; 4 rows of 4 are expected."
    assert broken == f"{tmp_path}/2.png is no PNG or JPEG picture"


def test_a_file_that_is_cut_short_says_so_and_its_whole_images_are_asked(tmp_path: Path) -> None:
    file = write_images(tmp_path / "images", IMAGES)
    file.write_bytes(file.read_bytes()[:-1])
    rows, problems = asked([file])
    assert len(rows) == 2 and "its header promises 3 images, it holds 2 and a part of one" in problems[0]


def test_an_array_is_asked_in_requests_that_the_service_would_take() -> None:
    images = np.concatenate([IMAGES] * MAX_IMAGES)
    found = list(requests(images, SETTINGS, CONTRACT))
    assert [start for start, _ in found] == [0, MAX_IMAGES, 2 * MAX_IMAGES]
    np.testing.assert_array_equal(np.concatenate([parse(one, CONTRACT)["pixels"] for _, one in found]), images)


@pytest.mark.parametrize("wrong", [IMAGES[0], IMAGES / 255, IMAGES > 9, IMAGES[:, :3], np.float64(3)])
def test_an_array_that_is_none_of_images_is_refused(wrong: Any) -> None:
    with pytest.raises(RequestError):
        parse(next(requests(wrong, SETTINGS, CONTRACT))[1], CONTRACT)
