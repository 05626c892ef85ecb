"""How many rows a batch of tables has, by another way than reading them: the count that `read` must meet."""

import codecs
import re
from pathlib import Path

from gristmill.kinds.tabular.records.formats import Format, format_of
from gristmill.kinds.tabular.records.parquet_rows import BrokenPartError, promised_rows
from gristmill.kinds.tabular.records.settings import IngestSettings
from gristmill.kinds.tabular.records.text import MOST_CHARACTERS, text_blocks


def count_rows(parts: list[Path], settings: IngestSettings) -> int:
    """CSV: line ends outside quotes, less one header; JSON lines: lines that are not empty; Parquet: the footer's word."""
    return sum(_rows(path, settings) for path in parts)


def _rows(path: Path, settings: IngestSettings) -> int:
    match format_of(path):
        case Format.CSV:
            return max(0, _csv_records(path, settings) - 1)
        case Format.JSON_LINES:
            return _json_lines(path)
        case Format.PARQUET:
            try:
                return sum(promised_rows(path))
            except BrokenPartError:
                return 0


def _csv_records(path: Path, settings: IngestSettings) -> int:
    """Records, the header among them; one that does not end within MOST_CHARACTERS is the last."""
    dialect = settings.dialect(path)
    record = _record(dialect.delimiter)
    n_records = 0
    rest = ""
    for block in text_blocks(path, dialect.encoding):
        text = rest + block
        if '"' not in text and len(text) <= MOST_CHARACTERS:
            end = 1 + max(text.rfind("\n"), text.rfind("\r", 0, -1))
            n_records += sum(map(bool, text[:end].replace("\r", "\n").split("\n")))
            rest = text[end:]
            continue
        end = 0
        for found in record.finditer(text):
            if found.end() == len(text):  # it may go on in the next block
                break
            if found.end() - found.start() > MOST_CHARACTERS:
                return n_records + 1
            n_records += found.end() - found.start() > len(found[1])
            end = found.end()
        rest = text[end:]
        if len(rest) > MOST_CHARACTERS:  # it will be no shorter, and may be the rest of the file
            return n_records + 1
    return n_records + sum(found.end() - found.start() > len(found[1]) for found in record.finditer(rest))


def _record(delimiter: str) -> re.Pattern[str]:
    """One record with its line end; a quote opens a cell at its start alone, and what follows the closing one is in it."""
    between = re.escape(delimiter)
    cell = rf'(?:"[^"]*+(?:""[^"]*+)*+(?:"|\Z))?+[^{between}\r\n]*+'
    return re.compile(rf"{cell}(?:{between}{cell})*+(\r\n?|\n|\Z)")


def _json_lines(path: Path) -> int:
    n_lines = 0
    with path.open("rb") as file:
        if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        while line := file.readline(MOST_CHARACTERS + 1):
            n_lines += not line.isspace()
            if len(line) > MOST_CHARACTERS:
                break
    return n_lines
