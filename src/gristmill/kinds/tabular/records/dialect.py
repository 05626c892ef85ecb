"""How a CSV is written: found from its bytes where that is certain, and said in one line.

People export tables as their spreadsheet does: with semicolons and decimal commas in half of Europe, in Latin-1 from
older systems, with a byte order mark from Excel. What the bytes leave no doubt about is read so; what they leave open is
read as plain CSV (UTF-8, commas, decimal points), and a cell that then makes no sense is a problem of its row. Params can
say it instead.
"""

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

DELIMITERS = (",", ";", "\t", "|")
Decimal = Literal[".", ","]

_NAMES = {",": "commas", ";": "';'", "\t": "tabs", "|": "'|'"}
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

    def rows(self, content: bytes) -> Iterator[list[str]]:
        """Rows of cells, header first; empty lines are no rows. Bytes that are no text come as lone surrogates."""
        csv.field_size_limit(len(content) + 131_072)
        text = content.decode(self.encoding, "surrogateescape" if self.encoding.startswith("utf-8") else "replace")
        return (cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter) if cells)

    def number(self, cell: str) -> str:
        """A number's cell as Python writes it; one that is written otherwise comes back as it is."""
        cell = cell.strip()
        if self.decimal == "." or not (_COMMA.fullmatch(cell) or _GROUPED.fullmatch(cell)):
            return cell if self.decimal == "." or "." not in cell else "."  # 12.5 among decimal commas is no number
        return cell.replace(".", "").replace(",", ".")


def find_dialect(
    content: bytes,
    columns: Collection[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: Decimal | None = None,
) -> Dialect:
    """Tell how a file is written.

    Args:
        content: its bytes.
        columns: names that its header should hold; they decide the delimiter where several could be.
        encoding: a codec, if it is known.
        delimiter: between cells, if it is known.
        decimal: the decimal mark, if it is known.
    """
    encoding, encoding_words = (encoding, None) if encoding else _encoding(content)
    plain = Dialect(encoding, delimiter or ",", decimal or ".", None)
    if delimiter is None:
        plain = plain._replace(delimiter=_delimiter(plain, content, columns))
    if decimal is None:
        plain = plain._replace(decimal=_decimal(plain, content))
    words = [encoding_words] if encoding_words else []
    if plain.delimiter != ",":
        words.append(f"{_NAMES.get(plain.delimiter, repr(plain.delimiter))} between cells")
    if plain.decimal != ".":
        words.append("decimal commas")
    if len(ends := _line_ends(content)) > 1:
        words.append(f"mixed line ends ({', '.join(ends)})")
    return plain._replace(sentence=f"read as {', '.join(words)}" if words else None)


def _encoding(content: bytes) -> tuple[str, str | None]:
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", "UTF-8 with a byte order mark"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and len(content) % 2 == 0:
        return "utf-16", "UTF-16"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        if not _MULTIBYTE.search(content) and _is_text(content):
            return "cp1252", "Latin-1 (Windows-1252)"
    return "utf-8", None


def _is_text(content: bytes) -> bool:
    """Whether every byte beyond ASCII is a letter or a common sign of Windows-1252."""
    for byte in set(content):
        if byte >= 0x80:
            character = bytes([byte]).decode("cp1252", "replace")
            if not (character.isalpha() and character not in _DOUBTFUL) and character not in _SIGNS:
                return False
    return not any(byte < 0x20 and byte not in b"\t\n\r" for byte in set(content))


def _delimiter(dialect: Dialect, content: bytes, columns: Collection[str] | None) -> str:
    def header(delimiter: str) -> list[str]:
        return next(dialect._replace(delimiter=delimiter).rows(content), [])

    if columns is not None:
        wanted = set(columns)
        return max(DELIMITERS, key=lambda delimiter: len(wanted.intersection(header(delimiter))))

    def regularity(delimiter: str) -> tuple[float, int]:
        rows = _sample(dialect._replace(delimiter=delimiter), content)
        width = len(rows[0]) if rows else 0
        return (sum(len(row) == width for row in rows) / len(rows) if width > 1 else 0.0, width)

    return max(DELIMITERS, key=regularity)


def _decimal(dialect: Dialect, content: bytes) -> Decimal:
    """A comma only where some cell can be nothing else, and none says the contrary: 1,234 alone could be a thousand."""
    if dialect.delimiter == ",":
        return "."
    commas = False
    for row in _sample(dialect, content)[1:]:
        for cell in map(str.strip, row):
            if _POINT.fullmatch(cell) and not _GROUPED.fullmatch(cell):
                return "."
            if _COMMA.fullmatch(cell) and (len(cell.rpartition(",")[2]) != 3 or cell.lstrip("-+").startswith("0,")):
                commas = True
    return "," if commas else "."


def _sample(dialect: Dialect, content: bytes) -> list[list[str]]:
    return [row for row, _ in zip(dialect.rows(content), range(_SAMPLE_ROWS), strict=False)]


def _line_ends(content: bytes) -> list[str]:
    crlf = content.count(b"\r\n")
    found = {"CRLF": crlf, "LF": content.count(b"\n") - crlf, "CR": content.count(b"\r") - crlf}
    return [name for name, n in found.items() if n]
