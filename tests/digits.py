"""Real handwritten digits (scikit-learn's, 8 x 8) on 28 x 28 pixels: a small batch for the workload mnist."""

from pathlib import Path
from typing import Any

import numpy as np
from examples.story.grist import write_images, write_labels
from sklearn.datasets import load_digits


def digits(start: int, stop: int) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """Images uint8 [N, 28, 28] and labels uint8 [N]; there are 1,797."""
    data = load_digits()
    enlarged = np.kron(data.images[start:stop] * 9, np.ones((3, 3)))
    return np.pad(enlarged, ((0, 0), (2, 2), (2, 2))).astype(np.uint8), data.target[start:stop].astype(np.uint8)


def write_digits(folder: Path, start: int, stop: int) -> list[Path]:
    """An IDX pair."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = digits(start, stop)
    return [write_images(folder / f"images-{start}", images), write_labels(folder / f"labels-{start}", labels)]
