"""In which format a part of a table is: its first bytes say so, and its name only where they do not."""

import codecs
import re
from enum import StrEnum
from pathlib import Path


class Format(StrEnum):
    """How a table may be written, by what a person calls it."""

    CSV = "CSV"
    JSON_LINES = "JSON lines"
    PARQUET = "Parquet"


_NAMED = {
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
}
_HEAD_BYTES = 4096
_JSON = re.compile(rb'\s*(\{\s*["}]|\[\s*\{)')
"""Of an object, or of an array of them; [name] alone could be the header of a CSV."""


def format_of(path: Path) -> Format:
    """Tell the format of a file."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).removeprefix(codecs.BOM_UTF8)
    if head.startswith((b"PAR1", b"PARE")):
        return Format.PARQUET
    if _JSON.match(head):
        return Format.JSON_LINES
    return _NAMED.get(path.suffix.lower(), Format.CSV)
