"""Is it a table of the right shape at all? Checked first, without Great Expectations, in plain words.

Zero rows pass every check of rows, and a missing column or text among numbers only makes expectations raise. So the
expectations are asked about sound columns alone, and what is unsound is said here.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa

from gristmill.ground.errors import GristmillError
from gristmill.quality.reasons import Reason
from gristmill.quality.suite import ColumnType, Suite

OWN_COLUMNS = ("record_id", "split_key", "target", "group", "problems")

_FITS: dict[ColumnType, Callable[[pa.DataType], bool]] = {
    "bytes": lambda t: pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_fixed_size_binary(t),
    "integer": lambda t: pa.types.is_integer(t),
    "number": lambda t: pa.types.is_integer(t) or pa.types.is_floating(t) or pa.types.is_decimal(t),
    "text": lambda t: pa.types.is_string(t) or pa.types.is_large_string(t),
}
_SPELT: dict[ColumnType, str] = {
    "bytes": "bytes",
    "integer": "whole numbers",
    "number": "numbers",
    "text": "text",
}


class BatchFormatError(GristmillError):
    """A batch table lacks what `ingest` gives to every batch: a fault of the platform, not of the data."""

    def __str__(self) -> str:
        batch, columns = self.args
        return (
            f"the table of batch {batch} has no single column {', '.join(columns)}, which ingest writes for every kind. "
            "Run `dvc repro --force ingest@<workload>`, and mend the kind's records if it comes again."
        )


class Structure(NamedTuple):
    """What is wrong with the shape of a batch."""

    reasons: list[Reason]
    sound: frozenset[str]
    """Columns that are there once and of the type that the suite declares."""


def check_structure(batch: str, schema: pa.Schema, n_rows: int, problems: Sequence[str], suite: Suite) -> Structure:
    """Judge the shape of one batch; `problems` are those of whole parts, as ingest found them.

    Raises:
        BatchFormatError: a column that every batch table has is not there once.
    """
    names: list[str] = schema.names
    once = frozenset(name for name in names if names.count(name) == 1)
    if broken := [name for name in OWN_COLUMNS if name not in once]:
        raise BatchFormatError(batch, broken)

    faults = list(problems)
    if n_rows == 0:
        faults.append("the batch holds no rows")
    repeated = sorted(set(names) - once)
    faults += [f"there is more than one column '{suite.called(name)}'" for name in repeated]
    asked = list(dict.fromkeys([*suite.meta.columns, *(c for entry in suite.expectations for c in entry.columns)]))
    faults += [f"the column '{suite.called(name)}' is missing" for name in asked if name not in names]
    mistyped = [
        name
        for name, column in suite.meta.columns.items()
        if name in once and not (_FITS[column.type](t := schema.field(name).type) or pa.types.is_null(t))
    ]
    for name in mistyped:
        expected, found = _SPELT[suite.meta.columns[name].type], _found(schema.field(name).type)
        faults.append(f"the column '{suite.called(name)}' holds {found}, expected {expected}")
    return Structure([Reason(fault, "critical") for fault in faults], once - set(mistyped))


def _found(found: pa.DataType) -> str:
    for kind in ("integer", "number", "text", "bytes"):
        if _FITS[kind](found):
            return _SPELT[kind]
    return str(found)
