"""Images as they land: sound IDX pairs, and every way in which one can be broken."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.data.batches import BatchTable
from gristmill.kinds.images.records import IngestSettings, count_rows, read

SETTINGS = IngestSettings()
PICTURES = np.random.default_rng(3).integers(0, 256, (6, 4, 5)).astype(np.uint8)
LABELS = np.array([3, 0, 9, 255, 1, 1], np.uint8)


def idx(items: np.ndarray) -> bytes:
    return struct.pack(f">HBB{items.ndim}I", 0, 8, items.ndim, *items.shape) + items.tobytes()


def files(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / f"part-{number}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def read_files(folder: Path, *contents: bytes) -> BatchTable:
    parts = files(folder, *contents)
    table = read(parts, SETTINGS, "b1")
    assert len(table.rows) == count_rows(parts, SETTINGS), "a row was lost or made"
    assert table.rows.schema == read(files(folder, b""), SETTINGS, "b1").rows.schema, "columns depend on the data"
    return table


def test_a_sound_pair_gives_a_row_for_each_image_with_its_label(tmp_path: Path) -> None:
    rows, problems, _ = read_files(tmp_path, idx(PICTURES), idx(LABELS))
    assert problems == []
    assert rows["problems"].to_pylist() == [[]] * 6
    assert rows["target"].to_pylist() == LABELS.tolist(), "a label out of range is for validate to judge"
    assert rows["pixels"].to_pylist() == [picture.tobytes() for picture in PICTURES]
    assert set(rows["height"].to_pylist()) == {4}
    assert set(rows["width"].to_pylist()) == {5}
    assert rows["group"].null_count == 6


def test_what_the_parts_are_called_and_their_order_do_not_matter(tmp_path: Path) -> None:
    assert read_files(tmp_path, idx(PICTURES), idx(LABELS)) == read_files(tmp_path, idx(LABELS), idx(PICTURES))


def test_the_figures_are_those_of_the_pixels(tmp_path: Path) -> None:
    picture = np.zeros((1, 4, 4), np.uint8)
    picture[0, 0, :] = 120  # 4 of 12 pixels of the frame
    picture[0, 1, 1:3] = 200  # within the frame
    row = read_files(tmp_path, idx(picture), idx(np.array([1], np.uint8))).rows.to_pylist()[0]
    assert row["mean"] == pytest.approx((4 * 120 + 2 * 200) / 16)
    assert row["std"] == pytest.approx(picture.std())
    assert row["ink"] == pytest.approx(2 / 16)
    assert row["border"] == pytest.approx(120 * 4 / 12)


def test_figures_of_an_image_do_not_depend_on_how_many_stand_beside_it(tmp_path: Path) -> None:
    many = np.tile(PICTURES, (1500, 1, 1))  # more than one chunk
    labels = np.zeros(len(many), np.uint8)
    alone = read_files(tmp_path, idx(PICTURES), idx(LABELS)).rows
    beside = read_files(tmp_path, idx(many), idx(labels)).rows
    for name in ("mean", "std", "ink", "border"):
        assert beside[name].to_pylist() == alone[name].to_pylist() * 1500


def test_equal_pixels_are_one_record_in_whatever_batch_and_under_whatever_label(tmp_path: Path) -> None:
    parts = files(tmp_path, idx(PICTURES[[0, 1, 0]]), idx(LABELS[:3]))
    here, there = (read(parts, SETTINGS, batch).rows["record_id"].to_pylist() for batch in ("b1", "b2"))
    assert here == there
    assert here[0] == here[2] != here[1]


def test_the_split_key_is_that_of_the_pixels_and_not_of_the_label(tmp_path: Path) -> None:
    one = read_files(tmp_path, idx(PICTURES), idx(LABELS)).rows
    other = read_files(tmp_path, idx(PICTURES), idx(LABELS[::-1].copy())).rows
    assert one["split_key"] == other["split_key"] == one["record_id"]


def test_a_truncated_file_keeps_a_row_for_each_label_and_says_what_is_missing(tmp_path: Path) -> None:
    rows, problems, _ = read_files(tmp_path, idx(PICTURES)[:-25], idx(LABELS))  # one image and a part of one
    assert problems == [
        "part-0 is damaged: its header promises 6 images, it holds 4 and a part of one",
        "there are 4 images and 6 labels",
    ]
    assert rows["problems"].to_pylist() == [[]] * 4 + [["the image is missing"]] * 2
    assert rows["pixels"].null_count == rows["mean"].null_count == rows["height"].null_count == 2
    assert len(set(rows["record_id"].to_pylist())) == 6, "rows without an image are different records"


def test_an_image_without_a_label_says_so(tmp_path: Path) -> None:
    rows, problems, _ = read_files(tmp_path, idx(PICTURES), idx(LABELS[:5]))
    assert problems == ["there are 6 images and 5 labels"]
    assert rows["target"].to_pylist()[-1] is None
    assert rows["problems"].to_pylist()[-1] == ["the label is missing"]


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        ([], "one file of images is needed, there are 0"),
        ([idx(PICTURES)], "one file of labels is needed, there are 0"),
        ([idx(LABELS)], "one file of images is needed, there are 0"),
        ([idx(PICTURES), idx(PICTURES[:2]), idx(LABELS)], "one file of images is needed, there are 2"),
        ([b"", idx(LABELS)], "part-0 is not an IDX file of images or labels"),
        ([b"\x00\x00\x08", idx(LABELS)], "part-0 is not an IDX file of images or labels"),
        ([idx(PICTURES)[:15], idx(LABELS)], "part-0 is not an IDX file of images or labels"),
        ([b"\x1f\x8b\x08\x00compressed", idx(LABELS)], "part-0 is not an IDX file of images or labels"),
        ([idx(PICTURES.reshape(6, 20)), idx(LABELS)], "part-0 is not an IDX file of images or labels"),
        ([idx(np.empty((6, 0, 5), np.uint8)), idx(LABELS)], "part-0 says that its images have no pixels"),
        (
            [struct.pack(">HBB3I", 0, 8, 3, 1, 2**32 - 1, 2**32 - 1) + b"xyz", idx(LABELS)],
            "part-0 is damaged: its header promises 1 images, it holds 0 and a part of one",
        ),
        ([idx(PICTURES) + b"xyz", idx(LABELS)], "its header promises 6 images, it holds 6 and a part of one"),
    ],
)
def test_broken_parts_become_problems_and_never_errors(tmp_path: Path, contents: list[bytes], problem: str) -> None:
    _, problems, _ = read_files(tmp_path, *contents)
    assert any(problem in one for one in problems), problems


@given(data=st.data())
def test_however_bytes_are_cut_or_overwritten_no_row_is_lost_or_made(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parts = [bytearray(idx(PICTURES)), bytearray(idx(LABELS))]
    for part in parts:
        for place in data.draw(st.lists(st.integers(0, 15), max_size=2)):
            part[place % len(part)] = data.draw(st.integers(0, 255))
        del part[data.draw(st.integers(0, len(part))) :]
    read_files(tmp_path_factory.mktemp("parts"), *(bytes(part) for part in parts))


def test_no_images_at_all_are_no_problem_of_reading(tmp_path: Path) -> None:
    rows, problems, _ = read_files(tmp_path, idx(PICTURES[:0]), idx(LABELS[:0]))
    assert (len(rows), problems) == (0, [])
