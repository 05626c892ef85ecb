"""An image in a few numbers: what each of them is of a picture that can be reckoned by hand."""

import numpy as np
import pytest

from gristmill.kinds.images.records.statistics import STATISTICS, image_statistics

CORNER = np.zeros((1, 4, 4), np.uint8)
CORNER[0, 0, 0] = 160
HALF = np.zeros((1, 4, 6), np.uint8)
HALF[:, :, :3] = 200


def of(image: np.ndarray) -> dict[str, float]:
    return {name: float(values[0]) for name, values in image_statistics(image).items()}


def test_a_single_bright_pixel_says_where_it_lies() -> None:
    found = of(CORNER)
    assert found["mean"] == 10 and found["ink"] == 1 / 16 and found["border"] == 160 / 12
    assert found["top"] == found["left"] == 1
    assert found["gradient"] == pytest.approx(2 * 160 / 24)


def test_a_mirrored_image_differs_in_left_alone() -> None:
    found, mirrored = of(HALF), of(HALF[:, :, ::-1])
    assert found["left"] == 1 and mirrored["left"] == 0
    assert all(found[name] == mirrored[name] for name in STATISTICS if name != "left")


def test_an_upside_down_image_differs_in_top_alone() -> None:
    found, turned = of(CORNER), of(CORNER[:, ::-1])
    assert turned["top"] == 0
    assert all(found[name] == turned[name] for name in STATISTICS if name != "top")


def test_a_black_image_lies_on_no_side_and_the_middle_line_on_neither() -> None:
    assert of(np.zeros((1, 5, 5), np.uint8))["top"] == 0.5
    middle = np.zeros((1, 5, 5), np.uint8)
    middle[:, 2, :] = 255
    assert of(middle)["top"] == 0.5


def test_no_images_have_no_figures_and_one_pixel_has_no_gradient() -> None:
    assert all(len(values) == 0 for values in image_statistics(np.empty((0, 0, 0), np.uint8)).values())
    assert of(np.full((1, 1, 1), 7, np.uint8))["gradient"] == 0
