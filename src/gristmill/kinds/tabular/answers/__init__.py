"""Answering for tables: what a request may look like, in a check and in a schema that say the same.

It travels in the Bento, so it needs numpy and nothing else.
"""

from typing import Any

from gristmill.kinds.tabular.answers.request import MAX_ROWS, RequestError, parse
from gristmill.kinds.tabular.answers.schema import example, sample, schema

MEDIA: dict[str, Any] = {}
"""Rows are JSON alone."""

__all__ = ["MAX_ROWS", "MEDIA", "RequestError", "example", "parse", "sample", "schema"]
