"""Images that come as bytes: a numpy array as numpy saves it, or one PNG file."""

import io
import math
from typing import Any

import numpy as np

from gristmill.kinds.images.answers.request import MAX_IMAGES, RequestError


def parse_npy(content: bytes, contract: dict[str, Any]) -> dict[str, np.ndarray]:
    """Read an array as `numpy.save` writes it (NEP 1): uint8, one image [H, W] or several [N, H, W].

    Nothing in it is run: an array of objects, which numpy would unpickle, is refused by its header.

    Raises:
        RequestError: it is anything else.
    """
    height, width = contract["image"]["height"], contract["image"]["width"]
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, is_fortran, dtype = read_header(file)
    except Exception as error:
        raise RequestError("the body is no array as numpy.save writes it (format 1.0 or 2.0).") from error
    if dtype != np.uint8:
        raise RequestError(f"the array is of {str(dtype)[:40]}; uint8 is expected, 0 (black) to 255.")
    if len(shape) not in (2, 3) or shape[-2:] != (height, width):
        raise RequestError(
            f"the array has the shape {str(list(shape))[:80]}; [{height}, {width}] or [N, {height}, {width}] is expected."
        )
    if len(shape) == 3 and not 1 <= shape[0] <= MAX_IMAGES:
        raise RequestError(f"the array holds {shape[0]} images; from 1 to {MAX_IMAGES} are answered at once.")
    values = content[file.tell() :]
    if len(values) != math.prod(shape):
        raise RequestError(f"the array's header asks for {math.prod(shape)} bytes, and {len(values)} came.")
    pixels = np.frombuffer(values, np.uint8).reshape(shape, order="F" if is_fortran else "C")
    return {"pixels": np.ascontiguousarray(pixels.reshape(-1, height, width))}


def parse_png(content: bytes, contract: dict[str, Any]) -> dict[str, np.ndarray]:
    """Read one PNG, decoded as pictures are when they land; nothing is scaled.

    Raises:
        RequestError: it is no PNG, damaged, not opaque, or of another size than the model's.
    """
    from gristmill.ground.pictures import PNG, UnreadablePictureError, grey_pixels

    height, width = contract["image"]["height"], contract["image"]["width"]
    if not content.startswith(PNG):
        raise RequestError("the body is no PNG file.")
    try:
        pixels = grey_pixels(content)
    except UnreadablePictureError as error:
        raise RequestError(f"the picture {error}.") from error
    if pixels.shape != (height, width):
        raise RequestError(
            f"the picture has {pixels.shape[1]} x {pixels.shape[0]} pixels; {width} x {height} are expected. Scale it first."
        )
    return {"pixels": pixels[np.newaxis]}
