"""Rows that are images, as pictures in a page."""

import base64
import io
from collections.abc import Mapping
from typing import Any

_MODES = {1: "L", 3: "RGB"}
"""By bytes for each pixel."""


def is_picture(values: Mapping[str, Any]) -> bool:
    """Whether a row of these columns is an image."""
    return {"pixels", "height", "width"} <= values.keys()


def picture(values: Mapping[str, Any]) -> str | None:
    """The image as the data: address of a PNG; None where it has no pixels that fit its size."""
    from PIL import Image

    pixels, height, width = values["pixels"], values["height"], values["width"]
    if not pixels or not height or not width or len(pixels) not in (height * width, 3 * height * width):
        return None
    image = Image.frombytes(_MODES[len(pixels) // (height * width)], (width, height), pixels)
    content = io.BytesIO()
    image.save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
