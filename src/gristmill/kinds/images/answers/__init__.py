"""Answering for images: what a request may look like, in a check and in a schema that say the same.

It travels in the Bento, so it needs numpy and orjson and nothing else.
"""

from gristmill.kinds.images.answers.request import MAX_IMAGES, RequestError, parse
from gristmill.kinds.images.answers.schema import example, schema

__all__ = ["MAX_IMAGES", "RequestError", "example", "parse", "schema"]
