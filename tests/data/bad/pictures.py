"""Bad batches of images in IDX files, each with the reason that a person must be given."""

import gzip
import struct
from typing import Any

import numpy as np
from tests.data.bad.case import Case
from tests.landed_data import idx

PARAMS: dict[str, Any] = {"ingest": {}, "validate": {"max_bad_rows": 0.1}}
SUITE: dict[str, Any] = {
    "name": "small",
    "meta": {
        "columns": {
            "target": {"type": "integer", "called": "label", "needed": True},
            "mean": {"type": "number", "called": "brightness", "needed": True},
        }
    },
    "expectations": [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 10}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "target", "value_set": [0, 1, 2]}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "height", "value_set": [8]}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "width", "value_set": [8]}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "std", "min_value": 8}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "border", "max_value": 90}},
    ],
}
N = 30


def images(seed: int, n: int = N) -> "np.ndarray[Any, Any]":
    """Pictures with a dark frame and something in the middle, no two alike."""
    made = np.zeros((n, 8, 8), np.uint8)
    made[:, 2:6, 2:6] = np.random.default_rng(seed).integers(100, 256, (n, 4, 4))
    return made


def labels(n: int = N) -> "np.ndarray[Any, Any]":
    return np.arange(n) % 3


def pair(name: str, changed: "np.ndarray[Any, Any]", reason: str, rows: tuple[int, ...] | None = None) -> Case:
    return Case(name, {"images": idx(changed), "labels": idx(labels(len(changed)))}, reason, rows)


def with_label(name: str, label: int, reason: str) -> Case:
    others = labels()
    others[5] = label
    return Case(name, {"images": idx(images(1000 + label)), "labels": idx(others)}, reason, rows=(5,))


def with_image(name: str, seed: int, image: Any, reason: str) -> Case:
    changed = images(seed)
    changed[5] = image
    return pair(name, changed, reason, rows=(5,))


IMAGES, LABELS = idx(images(1)), idx(labels())
CASES = [
    Case(
        "images cut short",
        {"images": idx(images(2))[:-100], "labels": LABELS},
        r"images is damaged: its header promises 30 images, it holds 28 and a part of one",
    ),
    Case(
        "labels cut short",
        {"images": idx(images(3)), "labels": LABELS[:-4]},
        r"labels is damaged: its header promises 30 labels, it holds 26",
    ),
    Case(
        "bytes behind the images",
        {"images": idx(images(4)) + bytes(7), "labels": LABELS},
        r"holds 30 and a part of one",
    ),
    Case("a header alone", {"images": IMAGES[:16], "labels": LABELS}, r"promises 30 images, it holds 0"),
    Case(
        "fewer labels than images",
        {"images": idx(images(5)), "labels": idx(labels(20))},
        r"there are 30 images and 20 labels",
    ),
    Case("no labels", {"images": idx(images(6))}, r"one file of labels is needed, there are 0"),
    Case("no images", {"labels": idx(labels(31))}, r"one file of images is needed, there are 0"),
    Case(
        "images twice",
        {"a": idx(images(7)), "b": idx(images(8)), "labels": LABELS},
        r"one file of images is needed, there are 2",
    ),
    Case(
        "labels twice",
        {"images": idx(images(9)), "a": LABELS, "b": idx(labels(29))},
        r"one file of labels is needed, there are 2",
    ),
    Case("a text beside them", {"images": idx(images(10)), "labels": LABELS, "read.me": b"hello"}, r"read\.me is not"),
    Case("packed with gzip", {"images": gzip.compress(idx(images(11)), mtime=0), "labels": LABELS}, r"images is not"),
    Case(
        "floating point pixels",
        {"images": b"\x00\x00\x0d\x03" + IMAGES[4:], "labels": LABELS},
        r"images is not an IDX file",
    ),
    Case(
        "four dimensions",
        {"images": struct.pack(">HBB4I", 0, 8, 4, 2, 2, 8, 8) + bytes(256), "labels": LABELS},
        r"images is not an IDX file",
    ),
    Case(
        "images without pixels",
        {"images": struct.pack(">HBB3I", 0, 8, 3, 30, 0, 8), "labels": LABELS},
        r"says that its images have no pixels",
    ),
    Case(
        "a promise larger than any memory",
        {"images": struct.pack(">HBB3I", 0, 8, 3, 1, 2**31, 2**31), "labels": LABELS},
        r"promises 1 images, it holds 0",
    ),
    Case(
        "big-endian taken for little",
        {"images": struct.pack("<HBB3I", 0, 8, 3, 30, 8, 8) + IMAGES[16:], "labels": LABELS},
        r"holds 0|damaged",
    ),
    pair("too few", images(12, 4), r"4 rows, below 10"),
    pair("none", images(13, 0), r"the batch holds no rows"),
    pair("of another size", images(14).reshape(N, 4, 16), r"height: 30 of 30 rows are not 8"),
    pair("inverted", 255 - images(15), r"border: 30 of 30 rows are above 90"),
    pair("scaled to 0..1", images(16) // 255, r"std: 30 of 30 rows are below 8"),
    with_image("a black image", 17, 0, r"std: 1 of 30 rows is below 8"),
    with_image("a white image", 18, 255, r"std: 1 of 30 rows is below 8"),
    with_image("noise", 19, np.random.default_rng(0).integers(60, 256, (8, 8)), r"border: 1 of 30 rows is above 90"),
    with_label("an unknown label", 10, r"label: 1 of 30 rows is outside 0\.\.2"),
    with_label("the label 255", 255, r"label: 1 of 30 rows is outside 0\.\.2"),
    Case("labels in text", {"images": idx(images(20)), "labels": b"0\n1\n2\n" * 10}, r"labels is not"),
    Case("headers one byte off", {"images": IMAGES[1:], "labels": LABELS}, r"images is not an IDX file"),
]
