"""A request for images, checked number by number.

Nothing is reshaped or rounded into something that the model would accept: a wrong picture that gets an answer is worse
than one that gets a sentence. `true` is not a number, and 0.5 is not a pixel. A request in which all is well is recognised
at half of that cost; one in which it is not is gone through again, for the place of its first fault.
"""

from itertools import chain
from typing import Any

import numpy as np
import orjson

from gristmill.ground.errors import GristmillError

MAX_IMAGES = 256
"""In one request; more belong in several."""

_NUMBERS = {int, float}


class RequestError(GristmillError):
    """The request is not one that this model can answer; the sentence goes to the caller."""


def parse(request: Any, contract: dict[str, Any]) -> dict[str, np.ndarray]:
    """Turn decoded JSON into the payload columns of this kind.

    Args:
        request: `{"images": [image, ...]}`, an image being rows of pixels, whole numbers from 0 (black) to 255.
        contract: the model's contract.json; its height and width are the only ones accepted.

    Returns:
        `pixels`: uint8 [N images, H rows, W columns].

    Raises:
        RequestError: anything else, with the place of the first fault.
    """
    height, width = contract["image"]["height"], contract["image"]["width"]
    images = _images(request)
    if (pixels := _well_formed(images, height, width)) is not None:
        return {"pixels": pixels}
    for i, image in enumerate(images):
        _check_image(f"images[{i}]", image, height, width)
    try:
        numbers = np.array(images, dtype=np.float64)
    except OverflowError as error:  # a whole number beyond every float
        raise RequestError("a pixel is far beyond 255; pixels are whole numbers from 0 to 255.") from error
    wrong = ~((numbers >= 0) & (numbers <= 255) & (numbers == np.floor(numbers)))  # NaN compares false
    if wrong.any():
        i, y, x = (int(index) for index in np.argwhere(wrong)[0])
        raise RequestError(
            f"images[{i}][{y}][{x}] is {float(numbers[i, y, x]):g}; pixels are whole numbers from 0 to 255."
        )
    return {"pixels": numbers.astype(np.uint8)}


def _images(request: Any) -> list[Any]:
    if not isinstance(request, dict) or "images" not in request:
        raise RequestError('the request needs the field "images": a list of images, each a list of rows of pixels.')
    if unknown := [str(field) for field in request if field != "images"]:
        raise RequestError(f"unknown field {unknown[0][:40]!r}; a request has the field 'images' and no other.")
    images = request["images"]
    if not isinstance(images, list):
        raise RequestError(f"images is {_kind_of(images)}; a list of images is expected.")
    if not 1 <= len(images) <= MAX_IMAGES:
        raise RequestError(f"images holds {len(images)} images; from 1 to {MAX_IMAGES} are answered at once.")
    return images


def _well_formed(images: list[Any], height: int, width: int) -> np.ndarray | None:
    """The pixels, if all are whole numbers from 0 to 255 in rows and images of the right size; else None."""
    if set(map(type, images)) != {list} or set(map(len, images)) != {height}:
        return None
    rows = list(chain.from_iterable(images))
    if set(map(type, rows)) != {list} or set(map(len, rows)) != {width}:
        return None
    try:
        content = b"".join(map(bytes, rows))  # takes a list of such numbers, and `true` for 1
    except (TypeError, ValueError):
        return None
    if b"e" in orjson.dumps(rows):  # true or false: there are no letters in whole numbers
        return None
    return np.frombuffer(content, np.uint8).reshape(len(images), height, width)


def _check_image(place: str, image: Any, height: int, width: int) -> None:
    if not isinstance(image, list):
        raise RequestError(f"{place} is {_kind_of(image)}; a list of {height} rows is expected.")
    if len(image) != height:
        raise RequestError(f"{place} has {len(image)} rows; {height} are expected.")
    for y, row in enumerate(image):
        if not isinstance(row, list):
            raise RequestError(f"{place}[{y}] is {_kind_of(row)}; a list of {width} pixels is expected.")
        if len(row) != width:
            raise RequestError(f"{place}[{y}] has {len(row)} pixels; {width} are expected.")
        if not _NUMBERS.issuperset(map(type, row)):
            x = next(x for x, pixel in enumerate(row) if type(pixel) not in _NUMBERS)
            raise RequestError(f"{place}[{y}][{x}] is {_kind_of(row[x])}; pixels are whole numbers from 0 to 255.")


def _kind_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), "no JSON value")
