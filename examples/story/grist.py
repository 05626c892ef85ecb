"""The batches that the story lands: real ones in two portions, and a poisoned one made of them."""

import struct
from pathlib import Path

import numpy as np

from gristmill.ground.files import new_file

_IMAGES_MAGIC, _LABELS_MAGIC = 0x00000803, 0x00000801
_IMAGES_HEADER, _LABELS_HEADER = 16, 8


def images_of(path: Path) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    """The images of an IDX file, uint8 [N, H, W]."""
    content = path.read_bytes()
    _, n, height, width = struct.unpack(">IIII", content[:_IMAGES_HEADER])
    return np.frombuffer(content, np.uint8, offset=_IMAGES_HEADER).reshape(n, height, width)


def labels_of(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    """The labels of an IDX file, uint8 [N]."""
    return np.frombuffer(path.read_bytes(), np.uint8, offset=_LABELS_HEADER)


def write_images(path: Path, images: "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]") -> Path:
    """Write an IDX file of images, uint8 [N, H, W]."""
    with new_file(path) as temporary:
        temporary.write_bytes(struct.pack(">IIII", _IMAGES_MAGIC, *images.shape) + images.tobytes())
    return path


def write_labels(path: Path, labels: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> Path:
    """Write an IDX file of labels, uint8 [N]."""
    with new_file(path) as temporary:
        temporary.write_bytes(struct.pack(">II", _LABELS_MAGIC, *labels.shape) + labels.tobytes())
    return path


def portion(pair: list[Path], start: int, stop: int, folder: Path) -> list[Path]:
    """Rows start to stop of an image and label pair, as a pair of their own."""
    images, labels = pair
    name = f"{start}-{stop}"
    return [
        write_images(folder / f"images-{name}-idx3-ubyte", images_of(images)[start:stop]),
        write_labels(folder / f"labels-{name}-idx1-ubyte", labels_of(labels)[start:stop]),
    ]


def poisoned(pair: list[Path], folder: Path) -> list[Path]:
    """600 images as a broken export would give them: inverted, 25 labels out of range, and the image file cut short."""
    images, labels = pair
    inverted = 255 - images_of(images)[:600]
    wrong = labels_of(labels)[:600].copy()
    wrong[::24] = 77
    broken = [
        write_images(folder / "poisoned-images-idx3-ubyte", inverted),
        write_labels(folder / "poisoned-labels-idx1-ubyte", wrong),
    ]
    whole = broken[0].read_bytes()
    with new_file(broken[0]) as temporary:
        temporary.write_bytes(whole[: len(whole) - 100 * 28 * 28 - 123])
    return broken
