"""Rows of images as arrays; numpy alone, since it travels in the Bento."""

# N images, H height, W width
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gristmill.ground.errors import GristmillError

if TYPE_CHECKING:
    import pyarrow as pa


class UnfitImageError(GristmillError):
    """A row that cannot be an image, or a label, of this contract."""

    def __init__(self, record_id: str, fault: str, needed: str) -> None:
        super().__init__(record_id, fault, needed)

    def __str__(self) -> str:
        record_id, fault, needed = self.args
        return (
            f"the image {record_id} {fault}, and the contract needs {needed}. Let the suite in expectations/ refuse such "
            "rows, or drop this one; if it is right, change the section `prepare` in params/."
        )


def columns(rows: "pa.Table", contract: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """`pixels`: uint8 [N, H, W].

    Raises:
        KeyError: the rows are no images.
        UnfitImageError: an image is missing, or of another size than the contract's.
    """
    height, width = contract["image"]["height"], contract["image"]["width"]
    pixels = rows.column("pixels").to_pylist()
    sizes = zip(pixels, rows.column("height").to_pylist(), rows.column("width").to_pylist(), strict=True)
    for position, (content, *size) in enumerate(sizes):
        if content is None or size != [height, width] or len(content) != height * width:
            fault = "has no pixels" if content is None else f"is {size[0]} x {size[1]} pixels"
            record_id = rows.column("record_id")[position].as_py()
            raise UnfitImageError(record_id, fault, f"{height} x {width} (height, width)")
    return {"pixels": np.frombuffer(b"".join(pixels), np.uint8).reshape(len(rows), height, width)}


def encode(columns: dict[str, NDArray[Any]], contract: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """`images`: uint8 [N, H, W], as they are."""
    return {"images": columns["pixels"]}


def targets(rows: "pa.Table", contract: dict[str, Any]) -> NDArray[Any]:
    """The label, int64 [N].

    Raises:
        UnfitImageError: a label is missing, or none of the contract's classes.
    """
    n_classes = len(contract["classes"])
    labels = rows.column("target").to_pylist()
    for position, label in enumerate(labels):
        if label is None or not 0 <= label < n_classes:
            fault = "has no label" if label is None else f"has the label {label}"
            raise UnfitImageError(rows.column("record_id")[position].as_py(), fault, f"0 to {n_classes - 1}")
    return np.array(labels, np.int64)
