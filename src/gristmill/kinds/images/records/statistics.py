"""An image in a few numbers, by which a table of checks can tell a sound one from a broken one.

mean      of all pixels
std       of all pixels: contrast
ink       share of pixels of at least 128
border    mean of the outer frame, one pixel wide
gradient  mean absolute difference between neighbours, down and across: noise and edges
top       share of all brightness that lies in the upper half; 0.5 for a black image
left      the same of the left half: the only one that a mirrored image changes
"""

# N images, H height, W width, P pixels of one image
import numpy as np
from numpy.typing import NDArray

STATISTICS = ("mean", "std", "ink", "border", "gradient", "top", "left")
_INK = 128
_CHUNK_ROWS = 8192
"""Images at a time: float64 copies of all are eight times their size."""


def image_statistics(images_NHW: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Each of STATISTICS by name, float64 [N]."""
    n_images, height, width = images_NHW.shape
    figures = {name: np.zeros(n_images) for name in STATISTICS}
    frame_HW = np.ones((height, width), bool)
    frame_HW[1:-1, 1:-1] = False
    for start in range(0, n_images, _CHUNK_ROWS):
        chunk = slice(start, start + _CHUNK_ROWS)
        chunk_NHW = images_NHW[chunk]
        pixels_NP = chunk_NHW.reshape(-1, height * width)
        figures["mean"][chunk] = pixels_NP.mean(1)
        figures["std"][chunk] = pixels_NP.std(1)
        figures["ink"][chunk] = (pixels_NP >= _INK).mean(1)
        figures["border"][chunk] = pixels_NP[:, frame_HW.ravel()].mean(1)
        figures["gradient"][chunk] = _gradient(chunk_NHW)
        figures["top"][chunk] = _share(chunk_NHW[:, : height // 2], chunk_NHW[:, (height + 1) // 2 :])
        figures["left"][chunk] = _share(chunk_NHW[:, :, : width // 2], chunk_NHW[:, :, (width + 1) // 2 :])
    return figures


def _gradient(images_NHW: NDArray[np.uint8]) -> NDArray[np.float64]:
    signed_NHW = images_NHW.astype(np.int16)
    down, across = (np.abs(np.diff(signed_NHW, axis=axis)) for axis in (1, 2))
    n_pairs = down[0].size + across[0].size
    means: NDArray[np.float64] = (down.sum((1, 2)) + across.sum((1, 2))) / max(n_pairs, 1)
    return means


def _share(half_NHW: NDArray[np.uint8], other_NHW: NDArray[np.uint8]) -> NDArray[np.float64]:
    half, other = (part.sum((1, 2), dtype=np.float64) for part in (half_NHW, other_NHW))
    total = half + other
    share: NDArray[np.float64] = np.divide(half, total, out=np.full(len(total), 0.5), where=total > 0)
    return share
