"""An array of images as requests: lists of pixels as a caller of the service would write them, read by its own check."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gristmill.kinds.images.answers.request import MAX_IMAGES


def requests(given: Any, settings: Any, contract: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Requests of as many images as are answered at once, each with the position of its first.

    Args:
        given: [N, H, W], whole numbers from 0 (black) to 255.
        settings: not needed, for labels are not read.
        contract: what the model takes; whether these fit, the check says.
    """
    images = np.atleast_1d(given)
    for start in range(0, max(len(images), 1), MAX_IMAGES):
        yield start, {"images": images[start : start + MAX_IMAGES].tolist()}
