"""How many rows a CSV batch has, by its line ends outside quotes: the other count, which `read` must meet."""

import re
from pathlib import Path
from typing import Any


def count_rows(parts: list[Path], settings: Any) -> int:
    """Lines that are not empty, less one header for each part; a line end within a quoted cell is none."""
    return sum(_rows(path.read_bytes(), settings) for path in parts)


def _rows(content: bytes, settings: Any) -> int:
    dialect = settings.dialect(content)
    if dialect.encoding == "utf-16":
        content = content.decode("utf-16", "replace").encode("utf-8", "replace")
    delimiter = dialect.delimiter.encode(dialect.encoding.replace("utf-16", "utf-8").replace("-sig", ""))
    content = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n")
    quoted = rb'(^|\n|%s)"[^"]*(?:""[^"]*)*(?:"|\Z)' % re.escape(delimiter)  # a quote opens a cell at its start alone
    lines = re.sub(quoted, rb"\1q", content).split(b"\n")
    return max(0, sum(1 for line in lines if line) - 1)
