"""Answering for images: what a request may look like, in a check and in a schema that say the same.

It travels in the Bento, so it needs numpy and orjson, Pillow where a picture comes as a file, and nothing else.
"""

from gristmill.kinds.images.answers.media import parse_npy, parse_png
from gristmill.kinds.images.answers.request import MAX_IMAGES, RequestError, parse
from gristmill.kinds.images.answers.schema import example, sample, schema

MEDIA = {"application/octet-stream": parse_npy, "image/png": parse_png}

__all__ = ["MAX_IMAGES", "MEDIA", "RequestError", "example", "parse", "sample", "schema"]
