"""The JSON Schema of a request for images, and an example that fits it."""

from typing import Any

import numpy as np

from gristmill.kinds.images.answers.request import MAX_IMAGES

_SAMPLED = 8


def schema(contract: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema (2020-12) of what `parse` accepts for this contract."""
    height, width = contract["image"]["height"], contract["image"]["width"]
    pixel = {"type": "integer", "minimum": 0, "maximum": 255}
    row = {"type": "array", "minItems": width, "maxItems": width, "items": pixel}
    image = {
        "type": "array",
        "description": f"{height} rows of {width} pixels, from the top left; 0 is black, 255 is white.",
        "minItems": height,
        "maxItems": height,
        "items": row,
    }
    images = {"type": "array", "minItems": 1, "maxItems": MAX_IMAGES, "items": image}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"images": images},
        "required": ["images"],
        "additionalProperties": False,
    }


def example(contract: dict[str, Any]) -> dict[str, Any]:
    """A request that `parse` accepts: one image, a square drawn in white."""
    height, width = contract["image"]["height"], contract["image"]["width"]

    def edge(y: int, x: int) -> bool:
        inside = height // 4 <= y < height - height // 4 and width // 4 <= x < width - width // 4
        core = height // 4 < y < height - height // 4 - 1 and width // 4 < x < width - width // 4 - 1
        return inside and not core

    return {"images": [[[255 if edge(y, x) else 0 for x in range(width)] for y in range(height)]]}


def sample(contract: dict[str, Any]) -> dict[str, Any]:
    """Images made by chance, from all black to all white: the same ones each time."""
    height, width = contract["image"]["height"], contract["image"]["width"]
    generator = np.random.default_rng(0)
    brightest = np.linspace(0, 255, _SAMPLED).astype(int)
    images = [generator.integers(0, most + 1, (height, width)).tolist() for most in brightest]
    return {"images": images}
