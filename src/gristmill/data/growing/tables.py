"""Rows of a database as Parquet: types kept, and the same bytes for the same rows.

A column's type is that of its values: numbers, truth values, dates and time stamps (in UTC where they have a zone), exact
decimals, bytes. What Parquet has no type for (JSON, UUIDs, arrays), and a column whose values are of several types, become
text.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

_KEPT = (bool, int, float, str, bytes, Decimal, datetime, date, time, timedelta, type(None))


def write_rows(path: Path, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Path:
    """Write rows as one Parquet file, with a checksum on each page.

    Args:
        path: the file.
        names: of the columns, all different.
        rows: at least one, cells in the order of the names.
    """
    import pyarrow
    import pyarrow.parquet

    columns = [_array(list(cells)) for cells in zip(*rows, strict=True)]
    table = pyarrow.table(columns, names=list(names))
    pyarrow.parquet.write_table(table, path, compression="zstd", write_page_checksum=True)
    return path


def _array(cells: list[Any]) -> "pyarrow.Array":
    import pyarrow

    cells = [bytes(cell) if isinstance(cell, memoryview | bytearray) else cell for cell in cells]
    if all(isinstance(cell, _KEPT) for cell in cells):
        try:
            return pyarrow.array(cells)
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError):
            pass
    return pyarrow.array([_text(cell) for cell in cells], pyarrow.string())


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return json.dumps(cell, ensure_ascii=False, default=str) if isinstance(cell, dict | list) else str(cell)
