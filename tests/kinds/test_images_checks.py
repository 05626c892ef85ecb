"""Images as the checks at landing look at them."""

import numpy as np
import pyarrow as pa
import pytest

from gristmill.kinds.images.checks import features, fitting, linear
from gristmill.kinds.images.records.statistics import STATISTICS
from gristmill.kinds.images.tensors import columns, encode, targets

CONTRACT = {
    "classes": ["bag", "boot"],
    "image": {"height": 2, "width": 3},
    "inputs": [{"name": "images", "dtype": "uint8", "shape": ["N", 2, 3]}],
}


def rows(*images: tuple[bytes | None, int | None, int | None, int | None]) -> pa.Table:
    pixels, height, width, target = zip(*images, strict=True)
    return pa.table(
        {
            "record_id": [str(i) for i in range(len(images))],
            "pixels": pa.array(pixels, pa.binary()),
            "height": pa.array(height, pa.int32()),
            "width": pa.array(width, pa.int32()),
            "target": pa.array(target, pa.int64()),
        }
    )


def test_rows_that_fit_are_those_that_can_be_encoded_and_have_a_label() -> None:
    six = bytes(6)
    table = rows(
        (six, 2, 3, 0), (six, 3, 2, 0), (six, 2, 3, 2), (six, 2, 3, -1), (six, 2, 3, None), (None, None, None, 1),
        (bytes(5), 2, 3, 1), (six, 2, 3, 1),
    )  # fmt: skip
    fit = fitting(table, CONTRACT)
    assert np.flatnonzero(fit).tolist() == [0, 7]
    sound = table.filter(pa.array(fit))
    assert encode(columns(sound, CONTRACT), CONTRACT)["images"].shape == (2, 2, 3)
    assert targets(sound, CONTRACT).tolist() == [0, 1]


def test_rows_that_are_no_images_lack_a_column() -> None:
    with pytest.raises(KeyError):
        fitting(pa.table({"record_id": ["a"], "target": [0]}), CONTRACT)


def test_images_drift_in_their_statistics_and_are_learnt_from_by_pixel() -> None:
    images = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
    assert tuple(features({"images": images}, CONTRACT)) == STATISTICS
    numbers = linear({"images": images}, CONTRACT)
    assert numbers.dtype == np.float32
    assert numbers.ravel().tolist() == pytest.approx((np.arange(12) * 20 / 255).tolist())
