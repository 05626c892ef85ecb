"""How a CSV is written: found from its bytes where that is certain, and said in one line.

People export tables as their spreadsheet does: with semicolons and decimal commas in half of Europe, in Latin-1 from
older systems, with a byte order mark from Excel. What the bytes leave no doubt about is read so; what they leave open is
read as plain CSV (UTF-8, commas, decimal points), and a cell that then makes no sense is a problem of its row. Params can
say it instead.
"""

import codecs
import csv
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from gristmill.kinds.tabular.records.text import (
    MOST_CHARACTERS,
    Lines,
    OverlongRowError,
    byte_blocks,
    text_blocks,
)

DELIMITERS = (",", ";", "\t", "|")
Decimal = Literal[".", ","]

_NAMES = {",": "commas", ";": "';'", "\t": "tabs", "|": "'|'"}
CHUNK_ROWS = 16_384
_CHUNK_CHARACTERS = 8_388_608
_SAMPLE_ROWS = 2_000
"""Rows from which delimiter and decimal mark are told: enough to meet both, and a large file stays quick."""
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_DOUBTFUL = "\xff\xfe\xf0\xd0\xde"  # as letters rare, as broken bytes common
_SIGNS = "€£¥§°²³µ·ß«»„“”‘’–—…©®™ªº¿¡½¼¾ "
_POINT = re.compile(r"[-+]?\d*\.\d+")
_COMMA = re.compile(r"[-+]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+")
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+(?:,\d+)?")


class Dialect(NamedTuple):
    """How one file is written."""

    encoding: str
    """A codec of Python's."""
    delimiter: str
    decimal: Decimal
    sentence: str | None
    """What is unusual, in words; None for plain UTF-8 with commas and decimal points."""

    def chunks(self, path: Path, most_rows: int = CHUNK_ROWS) -> Iterator[list[list[str]]]:
        """Rows of cells, header first, so many at a time as memory can hold; empty lines are no rows.

        Raises:
            OverlongRowError: a row does not end; those before it have been given.
        """
        csv.field_size_limit(MOST_CHARACTERS)
        lines = Lines(text_blocks(path, self.encoding))
        rows: list[list[str]] = []
        n_characters = 0
        try:
            for cells in csv.reader(lines, delimiter=self.delimiter):
                n_characters += lines.n_characters
                lines.n_characters = 0
                if cells:
                    rows.append(cells)
                if len(rows) == most_rows or n_characters > _CHUNK_CHARACTERS:
                    yield rows
                    rows, n_characters = [], 0
        except OverlongRowError:
            if rows:
                yield rows
            raise
        if rows:
            yield rows

    def first_rows(self, path: Path, n_rows: int) -> list[list[str]]:
        """At most so many rows, header first."""
        rows: list[list[str]] = []
        try:
            for chunk in self.chunks(path, n_rows):
                rows += chunk
                if len(rows) >= n_rows:
                    break
        except OverlongRowError:
            pass
        return rows[:n_rows]

    def number(self, cell: str) -> str:
        """A number's cell as Python writes it; one that is written otherwise comes back as it is."""
        cell = cell.strip()
        if self.decimal == "." or not (_COMMA.fullmatch(cell) or _GROUPED.fullmatch(cell)):
            return cell if self.decimal == "." or "." not in cell else "."  # 12.5 among decimal commas is no number
        return cell.replace(".", "").replace(",", ".")


def find_dialect(
    path: Path,
    columns: Collection[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: Decimal | None = None,
) -> Dialect:
    """Tell how a file is written.

    Args:
        path: the file.
        columns: names that its header should hold; they decide the delimiter where several could be.
        encoding: a codec, if it is known.
        delimiter: between cells, if it is known.
        decimal: the decimal mark, if it is known.
    """
    encoding, encoding_words = (encoding, None) if encoding else _encoding(path)
    plain = Dialect(encoding, delimiter or ",", decimal or ".", None)
    if delimiter is None:
        plain = plain._replace(delimiter=_delimiter(plain, path, columns))
    if decimal is None:
        plain = plain._replace(decimal=_decimal(plain, path))
    words = [encoding_words] if encoding_words else []
    if plain.delimiter != ",":
        words.append(f"{_NAMES.get(plain.delimiter, repr(plain.delimiter))} between cells")
    if plain.decimal != ".":
        words.append("decimal commas")
    if len(ends := _line_ends(path)) > 1:
        words.append(f"mixed line ends ({', '.join(ends)})")
    return plain._replace(sentence=f"read as {', '.join(words)}" if words else None)


def _encoding(path: Path) -> tuple[str, str | None]:
    with path.open("rb") as file:
        start = file.read(3)
    if start == codecs.BOM_UTF8:
        return "utf-8-sig", "UTF-8 with a byte order mark"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and path.stat().st_size % 2 == 0:
        return "utf-16", "UTF-16"
    if not _is_utf8(path) and not _holds_multibyte(path) and _is_text(path):
        return "cp1252", "Latin-1 (Windows-1252)"
    return "utf-8", None


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in byte_blocks(path):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _holds_multibyte(path: Path) -> bool:
    end = b""
    for block in byte_blocks(path):
        if _MULTIBYTE.search(end + block):
            return True
        end = block[-3:]
    return False


def _is_text(path: Path) -> bool:
    """Whether every byte beyond ASCII is a letter or a common sign of Windows-1252."""
    n_of = np.zeros(256, np.int64)
    for block in byte_blocks(path):
        n_of += np.bincount(np.frombuffer(block, np.uint8), minlength=256)
    for byte in np.flatnonzero(n_of).tolist():
        if byte >= 0x80:
            character = bytes([byte]).decode("cp1252", "replace")
            if not (character.isalpha() and character not in _DOUBTFUL) and character not in _SIGNS:
                return False
        elif byte < 0x20 and byte not in b"\t\n\r":
            return False
    return True


def _delimiter(dialect: Dialect, path: Path, columns: Collection[str] | None) -> str:
    def header(delimiter: str) -> list[str]:
        return next(iter(dialect._replace(delimiter=delimiter).first_rows(path, 1)), [])

    if columns is not None:
        wanted = set(columns)
        return max(DELIMITERS, key=lambda delimiter: len(wanted.intersection(header(delimiter))))

    def regularity(delimiter: str) -> tuple[float, int]:
        rows = dialect._replace(delimiter=delimiter).first_rows(path, _SAMPLE_ROWS)
        width = len(rows[0]) if rows else 0
        return (sum(len(row) == width for row in rows) / len(rows) if width > 1 else 0.0, width)

    return max(DELIMITERS, key=regularity)


def _decimal(dialect: Dialect, path: Path) -> Decimal:
    """A comma only where some cell can be nothing else, and none says the contrary: 1,234 alone could be a thousand."""
    if dialect.delimiter == ",":
        return "."
    commas = False
    for row in dialect.first_rows(path, _SAMPLE_ROWS)[1:]:
        for cell in map(str.strip, row):
            if _POINT.fullmatch(cell) and not _GROUPED.fullmatch(cell):
                return "."
            if _COMMA.fullmatch(cell) and (len(cell.rpartition(",")[2]) != 3 or cell.lstrip("-+").startswith("0,")):
                commas = True
    return "," if commas else "."


def _line_ends(path: Path) -> list[str]:
    n_crlf = n_lf = n_cr = 0
    end = b""
    for block in byte_blocks(path):
        n_crlf += block.count(b"\r\n") + (end == b"\r" and block.startswith(b"\n"))
        n_lf += block.count(b"\n")
        n_cr += block.count(b"\r")
        end = block[-1:]
    found = {"CRLF": n_crlf, "LF": n_lf - n_crlf, "CR": n_cr - n_crlf}
    return [name for name, n in found.items() if n]
