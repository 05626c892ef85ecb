"""A file as columns of cells, or one sentence about why it cannot be a table to learn from."""

import difflib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gristmill.ground.errors import GristmillError
from gristmill.kinds.tabular.records.dialect import Dialect, find_dialect
from gristmill.kinds.tabular.records.formats import Format, format_of
from gristmill.kinds.tabular.records.text import MOST_CHARACTERS, OverlongRowError

MOST_COLUMNS = 1_000
FEWEST_ROWS = 60
_MOST_RAGGED = 0.05


class UnfitFileError(GristmillError):
    """No workload can be made of a file."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)

    def __str__(self) -> str:
        name, problem = self.args
        return f"{name} {problem} Nothing was written."


@dataclass(frozen=True)
class Look:
    """A file's cells, by column."""

    name: str
    dialect: Dialect
    cells: dict[str, list[str]]
    n_rows: int
    """Rows that have as many cells as the header."""
    ragged: list[int]
    """Numbers of the rows that have not, counted from 1."""


def look_at(path: Path) -> Look:
    """Read a CSV.

    Raises:
        UnfitFileError: it is missing, empty, without a header, too wide, too short, or mostly ragged.
    """
    name = path.name
    try:
        if (found := format_of(path)) is not Format.CSV:
            raise UnfitFileError(
                name,
                f"is {found}, and a workload is drafted from a CSV. Save it as one for this once; what lands later may be "
                f"{found} as it is.",
            )
        dialect = find_dialect(path)
        rows = [row for chunk in dialect.chunks(path) for row in chunk]
    except FileNotFoundError as error:
        raise UnfitFileError(str(path), "does not exist.") from error
    except OSError as error:
        raise UnfitFileError(str(path), f"cannot be read ({error.strerror}).") from error
    except OverlongRowError as error:
        raise UnfitFileError(
            name, f"has a row that does not end within {MOST_CHARACTERS:,} characters: is a quote never closed?"
        ) from error
    if not rows:
        raise UnfitFileError(name, "is empty: a header and rows are needed.")
    header = rows.pop(0)
    _check_header(name, header)
    ragged = [number for number, row in enumerate(rows, 1) if len(row) != len(header)]
    if len(ragged) > _MOST_RAGGED * len(rows):
        raise UnfitFileError(
            name,
            f"has {len(ragged):,} of {len(rows):,} rows with another number of cells than its header ({len(header)}), the "
            f"first of them row {ragged[0]} with {len(rows[ragged[0] - 1])}. Export it again.",
        )
    whole = [row for row in rows if len(row) == len(header)]
    if len(whole) < FEWEST_ROWS:
        raise UnfitFileError(
            name,
            f"has {len(whole)} rows; of fewer than {FEWEST_ROWS} too few can be held out to show anything. Bring more.",
        )
    cells = {column: [row[i] for row in whole] for i, column in enumerate(header)}
    return Look(name, dialect, cells, len(whole), ragged)


def check_column(look: Look, column: str, what: str) -> None:
    """See that a column which a person named is there.

    Raises:
        UnfitFileError: it is not; the nearest name is suggested.
    """
    if column not in look.cells:
        by_folded = {name.casefold(): name for name in look.cells}
        close = difflib.get_close_matches(column.casefold(), by_folded, n=1, cutoff=0.5)
        hint = f" Did you mean '{by_folded[close[0]]}'?" if close else ""
        names = ", ".join(list(look.cells)[:12])
        raise UnfitFileError(
            look.name,
            f"has no column '{column}' ({what}).{hint} Its columns: {names}{', ...' if len(look.cells) > 12 else ''}.",
        )


def _check_header(name: str, header: list[str]) -> None:
    if len(header) > MOST_COLUMNS:
        raise UnfitFileError(
            name, f"has {len(header):,} columns; at most {MOST_COLUMNS:,} are looked at. Keep those that matter."
        )
    repeated = [column for column, n in Counter(header).items() if n > 1 and column.strip()]
    numbers = [cell for cell in header if _is_number(cell)]
    if numbers:
        raise UnfitFileError(
            name,
            f"has no header: its first line holds '{numbers[0]}', which is no name. Put a line of column names on top.",
        )
    if repeated:
        raise UnfitFileError(
            name, f"has {header.count(repeated[0])} columns called '{repeated[0]}'. Rename all but one."
        )
    if nameless := [number for number, column in enumerate(header, 1) if not column.strip()]:
        raise UnfitFileError(name, f"has a column without a name, the {nameless[0]}th. Name it, or take it out.")
    if any("\ud800" <= character <= "\udfff" for column in header for character in column):
        raise UnfitFileError(name, "has a header that is neither UTF-8 nor, for certain, Latin-1. Save it as UTF-8.")
    if len(header) < 2:
        raise UnfitFileError(
            name, f"has one column, '{header[0][:60]}'; a target and something to predict it from are needed."
        )


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().replace(",", "."))
    except ValueError:
        return False
    return True
