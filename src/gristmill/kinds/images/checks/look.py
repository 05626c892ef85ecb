"""What the checks at landing compare of images: seven statistics by which they drift, and pixels to learn from."""

# N images, H height, W width, P pixels of one image
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from gristmill.kinds.images.records.statistics import image_statistics

if TYPE_CHECKING:
    import pyarrow as pa

_WHITE = 255


def fitting(rows: "pa.Table", contract: dict[str, Any]) -> NDArray[np.bool_]:
    """Images of the contract's size that have one of its labels.

    Raises:
        KeyError: the rows are no images.
    """
    height, width = contract["image"]["height"], contract["image"]["width"]
    sized = pc.and_(pc.equal(rows["height"], height), pc.equal(rows["width"], width))
    whole = pc.and_(sized, pc.equal(pc.binary_length(rows["pixels"]), height * width))
    label = rows["target"]
    known = pc.and_(pc.greater_equal(label, 0), pc.less(label, len(contract["classes"])))
    return np.asarray(pc.fill_null(pc.and_(whole, known), False).to_numpy())


def features(inputs: dict[str, NDArray[Any]], contract: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """`image_statistics` of each image."""
    return dict(image_statistics(_pixels(inputs, contract)))


def linear(inputs: dict[str, NDArray[Any]], contract: dict[str, Any]) -> NDArray[np.float32]:
    """Each pixel from 0 to 1, [N, P]."""
    images_NHW = _pixels(inputs, contract)
    return images_NHW.reshape(len(images_NHW), -1).astype(np.float32) / np.float32(_WHITE)


def _pixels(inputs: dict[str, NDArray[Any]], contract: dict[str, Any]) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = inputs[contract["inputs"][0]["name"]]
    return pixels
