"""Pictures in folders and archives: each is a row with the label that its folder or a labels.csv gives it."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.landed_data import idx
from tests.picture_files import encoded, pixels, write_folder, write_zip

from gristmill.data.batches import BatchTable
from gristmill.ground.pictures import MAX_PIXELS
from gristmill.kinds.images.records import (
    IngestSettings,
    archive,
    count_rows,
    directory,
    missing_part,
    pictures,
    read,
)

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ("shirts", "coats", "chaussée")
SETTINGS = IngestSettings(classes=CLASSES)
A, B, C = (encoded(pixels(seed)) for seed in (1, 2, 3))
GIF = encoded(pixels(1), "GIF")
NFD = "chausse\u0301e"


def read_parts(parts: list[Path], settings: IngestSettings = SETTINGS) -> BatchTable:
    table = read(parts, settings, "b1")
    assert len(table.rows) == count_rows(parts, settings), "a row was lost or made"
    assert table.rows.schema == read([], settings, "b1").rows.schema, "columns depend on the data"
    return table


def read_files(folder: Path, files: dict[str, bytes], settings: IngestSettings = SETTINGS) -> BatchTable:
    return read_parts(write_folder(folder / "b1", files), settings)


def only_problem(table: BatchTable) -> str:
    [[problem]] = [problems for problems in table.rows["problems"].to_pylist() if problems]
    assert isinstance(problem, str) and table.problems == []
    return problem


# Labels


def test_the_label_of_a_picture_is_the_name_of_its_folder(tmp_path: Path) -> None:
    rows, problems, notes = read_files(tmp_path, {"shirts/1.png": A, "coats/1.PNG": B, "more/coats/1.jpeg": C})
    assert problems == notes == []
    assert rows["target"].to_pylist() == [1, 1, 0]
    assert rows["pixels"].to_pylist() == [pixels(seed).tobytes() for seed in (2, 3, 1)]


def test_a_labels_csv_labels_what_lies_beside_it_and_below(tmp_path: Path) -> None:
    labels = "\ufefffile;label;who\n1.png;coats;me\nshirts/./2.png;0;me\n".encode()
    rows, problems, _ = read_files(tmp_path, {"labels.csv": labels, "1.png": A, "shirts/2.png": B})
    assert (problems, rows["target"].to_pylist()) == ([], [1, 0])


def test_the_nearest_labels_csv_counts(tmp_path: Path) -> None:
    files = {
        "labels.csv": b"file,label\n1.png,shirts\n",
        "1.png": A,
        "x/labels.csv": b"file,label\n1.png,coats\n",
        "x/1.png": B,
    }
    rows, problems, _ = read_files(tmp_path, files)
    assert (problems, rows["target"].to_pylist()) == ([], [0, 1])


def test_an_accent_is_the_same_in_both_ways_of_writing_it(tmp_path: Path) -> None:
    labels = f"file,label\n{NFD}.png,chaussée\n".encode()
    rows, problems, _ = read_files(tmp_path, {f"{NFD}/1.png": A, "x/chaussée.png": B, "x/labels.csv": labels})
    assert (problems, rows["target"].to_pylist()) == ([], [2, 2])


@pytest.mark.parametrize(
    ("name", "labels", "words"),
    [
        ("1.png", None, "1.png has no label: it lies in no folder of a class, and beside no labels.csv"),
        ("hats/1.png", None, "hats/1.png lies in a folder called 'hats', none of ingest.classes, nor a number up to 2"),
        ("3/1.png", None, "3/1.png lies in a folder called '3', none of ingest.classes, nor a number up to 2"),
        ("1.png", "1.png,hats", "1.png has the label 'hats', none of ingest.classes, nor a number up to 2"),
        ("1.png", "1.png,-1", "1.png has the label '-1', none of ingest.classes, nor a number up to 2"),
        ("1.png", "1.png,²", "1.png has the label '²', none of ingest.classes, nor a number up to 2"),
        ("1.png", "1.png,", "1.png has no label: labels.csv leaves it empty"),
        ("1.png", "1.png,shirts\n1.png,coats", "1.png has 2 different labels in labels.csv"),
        ("shirts/1.png", "", "shirts/1.png has no label: labels.csv does not name it"),
    ],
)
def test_a_picture_without_a_label_is_a_row_that_names_its_file(
    tmp_path: Path, name: str, labels: str | None, words: str
) -> None:
    csv = {} if labels is None else {"labels.csv": f"file,label\nsound.png,shirts\n{labels}\n".encode(), "sound.png": B}
    table = read_files(tmp_path, {name: A, **csv})
    assert only_problem(table) == words
    assert table.rows["target"].null_count == 1 and table.rows["pixels"].null_count == 0


def test_without_classes_a_number_is_the_label_and_a_name_says_what_is_missing(tmp_path: Path) -> None:
    table = read_files(tmp_path, {"7/1.png": A, "shirts/1.png": B}, IngestSettings())
    assert table.rows["target"].to_pylist() == [7, None], "a label out of range is for validate to judge"
    assert only_problem(table) == "shirts/1.png lies in a folder called 'shirts', and ingest.classes is empty"


@pytest.mark.parametrize(
    ("csv", "problem"),
    [
        (b"", "labels.csv lacks the column file and label: its first line is to be `file,label`"),
        (b"1.png,shirts\n", "labels.csv lacks the column file and label: its first line is to be `file,label`"),
        (b"file,class\n1.png,shirts\n", "labels.csv lacks the column label: its first line is to be `file,label`"),
        (b"file,label\n1.png,sh\xefrts\n", "labels.csv is not UTF-8"),
        (b'file,label\n"1.png,shirts\n', "labels.csv cannot be read as CSV (unexpected end of data)"),
        (b"file,label\n2.png,shirts\n", "labels.csv names what is not there: 2.png"),
        (b"file,label\n../b1/1.png,shirts\n", "labels.csv names what is not there: ../b1/1.png"),
        (b"file,label\n/etc/passwd,shirts\n", "labels.csv names what is not there: /etc/passwd"),
        (b"file,label\na,0\nb,0\nc,0\nd,0\ne,0\n", "labels.csv names what is not there: a, b, c and 2 more"),
    ],
)
def test_a_labels_csv_that_cannot_be_followed_is_a_problem_of_the_batch(
    tmp_path: Path, csv: bytes, problem: str
) -> None:
    table = read_files(tmp_path, {"labels.csv": csv, "1.png": A})
    assert problem in table.problems and len(table.rows) == 1


def test_two_classes_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two classes have the same name"):
        IngestSettings(classes=("chaussée", NFD))


# Pictures


def test_pictures_of_different_sizes_have_figures_of_their_own(tmp_path: Path) -> None:
    images = {"shirts/1.png": pixels(1, 3, 5), "shirts/2.png": pixels(2, 6, 2), "shirts/3.png": pixels(3, 3, 5)}
    rows = read_files(tmp_path, {name: encoded(image) for name, image in images.items()}).rows
    assert rows["height"].to_pylist() == [3, 6, 3] and rows["width"].to_pylist() == [5, 2, 5]
    assert rows["mean"].to_pylist() == pytest.approx([image.mean() for image in images.values()])


def test_a_broken_picture_is_a_row_and_the_others_are_read(tmp_path: Path) -> None:
    table = read_files(tmp_path, {"shirts/1.png": A, "shirts/2.png": A[:-20], "shirts/3.gif": GIF, "coats/4.jpg": b""})
    assert table.problems == []
    assert table.rows["problems"].to_pylist() == [
        ["coats/4.jpg is empty"],
        [],
        ["shirts/2.png is damaged or cut short"],
        ["shirts/3.gif is no PNG or JPEG picture"],
    ]
    assert table.rows["target"].to_pylist() == [1, 0, 0, 0]
    assert len(set(table.rows["record_id"].to_pylist())) == 4


def test_a_file_larger_than_any_picture_is_never_read(tmp_path: Path) -> None:
    parts = write_folder(tmp_path / "b1", {"shirts/1.png": b""})
    with parts[0].open("ab") as file:
        file.truncate(10 * 2**30)  # sparse: it takes no room
    assert only_problem(read_parts(parts)) == "shirts/1.png is larger than 256 MiB"


def test_more_pixels_than_memory_should_hold_are_rows_that_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MAX_BATCH_PIXELS", 40)
    table = read_files(tmp_path, {f"shirts/{n}.png": encoded(pixels(n)) for n in range(3)})
    assert only_problem(table).startswith("shirts/2.png is one too many: 40 pixels are the most of a batch")


# What is no picture


def test_what_file_managers_leave_behind_is_passed_over_and_said(tmp_path: Path) -> None:
    litter = {".DS_Store": b"x", "shirts/Thumbs.db": b"x", "shirts/._1.png": b"x", "__MACOSX/shirts/1.png": b"x"}
    loose = read_files(tmp_path, {"shirts/1.png": A, **litter})
    packed = read_parts([write_zip(tmp_path / "b1" / "a.zip", {"shirts/1.png": A, **litter})])
    for table in (loose, packed):
        assert (table.problems, len(table.rows)) == ([], 1)
        assert "passed over, as file managers leave them behind" in table.notes[0]


def test_any_other_file_is_a_problem_of_the_batch_for_it_may_say_what_the_pictures_are(tmp_path: Path) -> None:
    table = read_files(tmp_path, {"shirts/1.png": A, "readme.txt": b"x", "shirts/Labels.csv": b"file,label\n"})
    told = "readme.txt, shirts/Labels.csv: no picture by its name (.png, .jpg), no archive (.zip) and no labels.csv"
    assert (table.problems, len(table.rows)) == ([told], 1)


def test_labels_without_pictures_and_a_folder_of_nothing_known_have_no_rows(tmp_path: Path) -> None:
    assert read_files(tmp_path, {"labels.csv": b"file,label\n1.png,0\n"}).problems == [
        "labels.csv names what is not there: 1.png"
    ]
    assert len(read_files(tmp_path, {"x/readme.txt": b"x"}).rows) == 0


# The same records in whatever form


@settings(max_examples=30)
@given(data=st.data())
def test_the_same_pictures_are_the_same_records_as_folder_archive_and_idx(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    height, width, n = (data.draw(st.integers(1, 9), label=name) for name in ("height", "width", "n"))
    images = np.stack([pixels(data.draw(st.integers(0, 99)), height, width) for _ in range(n)])
    labels = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    named = data.draw(st.booleans(), label="labels by name")
    folder = tmp_path_factory.mktemp("forms")
    files = {
        f"{CLASSES[label] if named else label}/{i}.png": encoded(image)
        for i, (image, label) in enumerate(zip(images, labels, strict=True))
    }
    csv = "".join(f"{name},{name.split('/')[0]}\n" for name in files)
    with_labels = {**files, "labels.csv": f"file,label\n{csv}".encode()}
    forms = [
        write_folder(folder / "folder" / "b1", files),
        write_folder(folder / "labelled" / "b1", with_labels),
        [write_zip(folder / "zip" / "b1" / "a.zip", files)],
        [write_zip(folder / "labelled-zip" / "b1" / "a.zip", with_labels)],
        write_folder(folder / "idx" / "b1", {"images": idx(images), "labels": idx(np.array(labels))}),
    ]
    tables = [read_parts(parts) for parts in forms]
    assert [table.problems for table in tables] == [[]] * len(forms)
    first, *others = [sorted(table.rows.to_pylist(), key=repr) for table in tables]
    assert others == [first] * len(others)


def test_a_batch_may_hold_an_idx_pair_and_pictures(tmp_path: Path) -> None:
    pair = {"images": idx(np.stack([pixels(1), pixels(2)])), "labels": idx(np.array([0, 1]))}
    rows, problems, _ = read_files(tmp_path, {**pair, "coats/1.png": C})
    assert (problems, rows["target"].to_pylist()) == ([], [0, 1, 1])


# Whether all is there


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"shirts/1.png": A}, None),
        ({"1.png": A, "labels.csv": b"x"}, None),
        ({"1.png": A, "readme.txt": b"x"}, "holds pictures without labels"),
        ({"labels.csv": b"x"}, "holds a labels.csv without pictures"),
        ({"images": idx(np.stack([pixels(1)]))}, "holds images without labels, which belong together"),
        ({"a.zip": b"PK\x03\x04"}, "holds a.zip, which is no zip archive, is damaged or cut short"),
    ],
)
def test_what_is_missing_of_a_batch_is_said(tmp_path: Path, files: dict[str, bytes], words: str | None) -> None:
    told = missing_part(write_folder(tmp_path / "march", files), tmp_path / "march")
    assert (told is None) if words is None else (told or "").startswith(words)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["shirts/1.png"], None),
        (["1.png", "labels.csv"], None),
        (["1.png"], "holds pictures without labels"),
        (["labels.csv"], "holds a labels.csv without pictures"),
    ],
)
def test_what_is_missing_of_an_archive_is_said(tmp_path: Path, names: list[str], words: str | None) -> None:
    archive = write_zip(tmp_path / "a.zip", dict.fromkeys(names, A))
    told = missing_part([archive], tmp_path)
    assert (told is None) if words is None else (told or "").startswith(words)


def test_the_page_about_pictures_names_the_limits_and_classes_that_hold() -> None:
    page = " ".join((ROOT / "docs" / "images.md").read_text("utf-8").split())
    assert f"more than {MAX_PIXELS:,} pixels, or a file of more than {pictures.MAX_FILE_BYTES // 2**20} MiB" in page
    assert f"more than {directory.MAX_ENTRIES:,} files" in page
    assert f"more than {archive.MAX_TOTAL_BYTES // 2**30} GiB or {archive.MAX_RATIO} times its size" in page
    declared = yaml.safe_load((ROOT / "params" / "fashion-mnist.yaml").read_text("utf-8"))["ingest"]["classes"]
    assert f"classes: [{', '.join(declared)}]" in page
