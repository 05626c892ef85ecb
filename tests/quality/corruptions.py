"""What goes wrong with batches of labelled images, made on sound ones; each with what fashion-mnist's suite says of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# N images, H height, W width
Images = NDArray[np.uint8]
"""[N, H, W]"""
Labels = NDArray[np.uint8]
"""[N]"""
Spoil = Callable[[Images, Labels, np.random.Generator], tuple[Images, Labels]]


class Corruption(NamedTuple):
    """One thing that goes wrong."""

    name: str
    spoil: Spoil
    outcome: str
    """A batch's status, or `warned` where it is admitted with a warning."""
    words: str
    """A regular expression that some reason of its report meets, of a batch of 10,000."""


def _labels(change: Callable[[Labels, np.random.Generator], Labels]) -> Spoil:
    return lambda images, labels, rng: (images, change(labels, rng))


def _images(change: Callable[[Images], NDArray[Any]]) -> Spoil:
    return lambda images, labels, rng: (np.ascontiguousarray(change(images)).astype(np.uint8), labels)


def _some(share: float, change: Callable[[Images, np.random.Generator], Images]) -> Spoil:
    """Change so many of the images, at least one."""

    def spoil(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
        chosen = rng.choice(len(images), max(1, round(share * len(images))), replace=False)
        spoilt = images.copy()
        spoilt[chosen] = change(images[chosen], rng)
        return spoilt, labels

    return spoil


def _shuffled(share: float) -> Spoil:
    def change(labels: Labels, rng: np.random.Generator) -> Labels:
        chosen = rng.choice(len(labels), round(share * len(labels)), replace=False)
        spoilt = labels.copy()
        spoilt[chosen] = rng.permutation(labels[chosen])
        return spoilt

    return _labels(change)


def _swapped(a: int, b: int) -> Spoil:
    return _labels(lambda labels, rng: np.where(labels == a, b, np.where(labels == b, a, labels)).astype(np.uint8))


def _fewer(label: int, share: float) -> Spoil:
    """Keep only so many images of one class."""

    def spoil(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
        kept = (labels != label) | (rng.random(len(labels)) < share)
        return images[kept], labels[kept]

    return spoil


def _repeated(label: int, times: int) -> Spoil:
    def spoil(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
        again = np.repeat(np.flatnonzero(labels == label), times - 1)
        rows = np.concatenate([np.arange(len(labels)), again])
        return images[rows], labels[rows]

    return spoil


def _duplicated(share: float) -> Spoil:
    """The last images are the first ones once more."""

    def spoil(images: Images, labels: Labels, rng: np.random.Generator) -> tuple[Images, Labels]:
        n = max(1, round(share * len(images)))
        return np.concatenate([images[:-n], images[:n]]), np.concatenate([labels[:-n], labels[:n]])

    return spoil


def _offset(n_bytes: int) -> Spoil:
    """A reader that takes the header for longer than it is."""
    return _images(lambda images: np.roll(images.reshape(-1), -n_bytes).reshape(images.shape))


def _unknown_label(labels: Labels, rng: np.random.Generator) -> Labels:
    spoilt = labels.copy()
    spoilt[rng.choice(len(labels), 5, replace=False)] = 10
    return spoilt


def _noise(images: Images, rng: np.random.Generator) -> Images:
    return rng.integers(0, 256, images.shape, dtype=np.uint8)


CORRUPTIONS = (
    Corruption(
        "14 x 56 instead of 28 x 28",
        _images(lambda images: images.reshape(-1, 14, 56)),
        "quarantined",
        r"height: 10000 of 10000 rows are not 28",
    ),
    Corruption(
        "all inverted", _images(lambda images: 255 - images), "quarantined", r"brightness: the mean .* is outside"
    ),
    Corruption("1 % inverted", _some(0.01, lambda images, rng: 255 - images), "partial", r"border: 100 of 10000 rows"),
    Corruption("all labels shuffled", _shuffled(1), "quarantined", r"top where label is \d: the mean"),
    Corruption("half of the labels shuffled", _shuffled(0.5), "quarantined", r"top where label is \d: the mean"),
    Corruption("20 % of the labels shuffled", _shuffled(0.2), "quarantined", r"(ink|top|left) where label is \d"),
    Corruption("10 % of the labels shuffled", _shuffled(0.1), "quarantined", r"(ink|top|left) where label is \d"),
    Corruption(
        "labels off by one",
        _labels(lambda labels, rng: ((labels + 1) % 10).astype(np.uint8)),
        "quarantined",
        r"ink where label is 1: the mean \(.*\) is outside .* \(wrong labels\)",
    ),
    Corruption(
        "T-shirts called shirts", _swapped(0, 6), "quarantined", r"(ink|top|left) where label is [06]: the mean"
    ),
    Corruption("sneakers called boots", _swapped(7, 9), "quarantined", r"(ink|top|left) where label is [79]: the mean"),
    Corruption("class 6 missing", _fewer(6, 0), "quarantined", r"label: distributed otherwise than in the reference"),
    Corruption("class 3 cut to 10 %", _fewer(3, 0.1), "quarantined", r"label: distributed otherwise .* divergence"),
    Corruption("class 0 five times", _repeated(0, 5), "quarantined", r"label: distributed otherwise"),
    Corruption("5 % duplicates", _duplicated(0.05), "warned", r"sha256: the proportion of unique values \(0\.95\)"),
    Corruption("1 % black", _some(0.01, lambda images, rng: images * 0), "partial", r"contrast: 100 of 10000 rows"),
    Corruption(
        "1 % grey",
        _some(0.01, lambda images, rng: images * 0 + 128),
        "partial",
        r"contrast: 100 of 10000 rows are below",
    ),
    Corruption("1 % noise", _some(0.01, _noise), "partial", r"gradient: 100 of 10000 rows are above"),
    Corruption(
        "transposed",
        _images(lambda images: images.transpose(0, 2, 1)),
        "quarantined",
        r"top where label is \d: the mean",
    ),
    Corruption(
        "upside down", _images(lambda images: images[:, ::-1]), "quarantined", r"top where label is \d: the mean"
    ),
    Corruption(
        "mirrored", _images(lambda images: images[:, :, ::-1]), "quarantined", r"left where label is \d: the mean"
    ),
    Corruption("8 bytes off", _offset(8), "quarantined", r"left: the mean .* is outside"),
    Corruption("300 bytes off", _offset(300), "quarantined", r"border: \d+ of 10000 rows are above"),
    Corruption("label 10 five times", _labels(_unknown_label), "partial", r"label: 5 of 10000 rows are outside 0\.\.9"),
    Corruption(
        "half as bright", _images(lambda images: images // 2), "quarantined", r"brightness: the mean .* is outside"
    ),
    Corruption(
        "scaled to 0..1",
        _images(lambda images: np.round(images / 255)),
        "quarantined",
        r"contrast: 10000 of 10000 rows",
    ),
    Corruption(
        "black and white alone",
        _images(lambda images: np.where(images >= 128, 255, 0)),
        "quarantined",
        r"contrast: the mean .* is outside",
    ),
)
