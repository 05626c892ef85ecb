"""Answering for tables: what a request may look like, in a check and in a schema that say the same.

It travels in the Bento, so it needs numpy and nothing else.
"""

from gristmill.kinds.tabular.answers.request import MAX_ROWS, RequestError, parse
from gristmill.kinds.tabular.answers.schema import example, schema

__all__ = ["MAX_ROWS", "RequestError", "example", "parse", "schema"]
