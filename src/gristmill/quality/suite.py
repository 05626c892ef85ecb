"""What a workload's data must satisfy, as a reviewed JSON file that is read strictly.

Great Expectations drops an entry that it does not know and calls an empty suite a success (measured), so a typo would
open the door. Here every entry is read by its own, and the first doubt is an error that names file and entry: a fault
of the platform, never of the data.

    {"name": "<workload>",
     "meta": {"columns": {"target": {"type": "integer", "called": "label", "needed": true}, ...}},
     "expectations": [{"type": "expect_...", "kwargs": {...}, "severity": "critical", "notes": "why, in a few words"}]}
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gristmill.ground.errors import GristmillError

Severity = Literal["critical", "warning", "info"]
ColumnType = Literal["bytes", "integer", "number", "text"]

_ROW_COUNTS = ("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal")


class SuiteError(GristmillError):
    """A file of expectations that cannot be trusted."""

    def __init__(self, path: Path, entry: str, problem: str) -> None:
        super().__init__(path, entry, problem)

    def __str__(self) -> str:
        path, entry, problem = self.args
        path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        return f"{path}: {entry + ': ' if entry else ''}{problem}. Correct {path}; no batch is judged until then."


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Column(_Strict):
    """What a column of the batch table must be before any expectation looks at it."""

    type: ColumnType
    """`number` admits whole numbers."""
    called: str | None = None
    """The name a person knows it by, where it is not the column's own."""
    needed: bool = False
    """A row is of no use without it: not even a person's release admits a row where it is empty."""
    personal: bool = False
    """It tells of a person: no report, page or picture shows its values."""


class Meta(_Strict):
    """What is ours in the file, and not Great Expectations'."""

    columns: dict[str, Column] = Field(default_factory=dict)


class Expectation(_Strict):
    """One entry of the file, as Great Expectations knows it."""

    type: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    severity: Severity = "critical"
    """`critical` decides; `warning` and `info` are only reported."""
    notes: str = ""
    """Why, in a few words; added to the sentence that a person reads."""

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        names = [self.kwargs.get(key) for key in ("column", "column_A", "column_B")]
        return [name for name in [*names, *self.kwargs.get("column_list", [])] if isinstance(name, str)]

    @property
    def tolerates_rows(self) -> bool:
        """Whether it is a statement about a share of the rows rather than about each."""
        mostly = self.kwargs.get("mostly", 1)
        return isinstance(mostly, int | float) and mostly < 1


class Suite(_Strict):
    """All that is expected of one workload's batches."""

    name: str
    meta: Meta = Field(default_factory=Meta)
    expectations: tuple[Expectation, ...]

    def called(self, column: str) -> str:
        """The name of a column in sentences."""
        declared = self.meta.columns.get(column)
        return (declared.called if declared else None) or column

    def reads(self, available: list[str]) -> list[str]:
        """Which of a batch's columns are needed to judge it."""
        wanted = set(looked_at(self.expectations, available))
        wanted |= {name for name, column in self.meta.columns.items() if column.needed and column.type != "bytes"}
        return [name for name in available if name in wanted]


def looked_at(entries: Iterable[Expectation], available: list[str]) -> list[str]:
    """Which of a batch's columns these expectations look at."""
    entries = list(entries)
    if any(entry.type.startswith("expect_table_column") for entry in entries):
        return available
    conditions = " ".join(str(entry.kwargs.get("row_condition", "")) for entry in entries)
    wanted = {name for entry in entries for name in entry.columns}
    wanted |= set(re.findall(r"\w+", conditions))
    return [name for name in available if name in wanted]


def entry_name(position: int, expectation_type: Any) -> str:
    """How an entry is named in errors and in the file's order, counted from 1."""
    return f"expectation {position + 1} ({expectation_type})"


def read_suite(path: Path, name: str) -> Suite:
    """Read the suite called `name`.

    Raises:
        SuiteError: the file is missing or malformed, an entry is, one is there twice, or none demands rows.
    """
    try:
        content = json.loads(path.read_text("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise SuiteError(path, "", "the file does not exist") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise SuiteError(path, "", f"not readable as JSON: {error}") from error
    try:
        suite = Suite.model_validate(content)
    except ValidationError as error:
        raise _suite_error(path, content, error) from error
    if suite.name != name:
        raise SuiteError(path, "name", f"it is '{suite.name}', but the workload is '{name}'")
    _lint(path, suite)
    return suite


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f"the key '{repeated[0]}' is there twice in one object")
    return dict(pairs)


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _suite_error(path: Path, content: Any, error: ValidationError) -> SuiteError:
    """The first problem, in the words of the file."""
    problem = error.errors()[0]
    where = list(problem["loc"])
    entry = ".".join(str(part) for part in where)
    if len(where) > 1 and where[0] == "expectations" and isinstance(where[1], int):
        raw = content["expectations"][where[1]]
        entry = entry_name(where[1], raw.get("type", "no type") if isinstance(raw, dict) else "not an object")
        entry += "".join(f", {part}" for part in where[2:])
    if problem["type"] == "extra_forbidden":
        return SuiteError(path, entry, "this key is not known here")
    if problem["type"] == "missing":
        return SuiteError(path, entry, "it is missing")
    return SuiteError(path, entry, f"{problem['msg']}, not {problem['input']!r}")


def _lint(path: Path, suite: Suite) -> None:
    """What is well-formed and still means nothing, or not what its author meant."""
    if not suite.expectations:
        raise SuiteError(path, "expectations", "it is empty, and an empty suite would admit anything")
    seen: dict[str, int] = {}
    for i, entry in enumerate(suite.expectations):
        key = json.dumps([entry.type, entry.kwargs], sort_keys=True)
        if key in seen:
            raise SuiteError(path, entry_name(i, entry.type), f"it repeats expectation {seen[key] + 1}")
        seen[key] = i
        _lint_kwargs(path, entry_name(i, entry.type), entry.kwargs)
    if not any(_demands_rows(entry) for entry in suite.expectations):
        raise SuiteError(
            path,
            "expectations",
            "no critical check of the row count that demands at least one row, and zero rows pass every check of rows "
            f"(add {_ROW_COUNTS[0]} with min_value)",
        )


def _lint_kwargs(path: Path, entry: str, kwargs: dict[str, Any]) -> None:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise SuiteError(path, entry, f"min_value {low} is above max_value {high}, so nothing could pass")
    for pattern in [kwargs.get("regex"), *kwargs.get("regex_list", [])]:
        try:
            re.compile(pattern or "")
        except (re.error, TypeError) as error:
            raise SuiteError(path, entry, f"the regular expression {pattern!r} cannot be read ({error})") from error


def _demands_rows(entry: Expectation) -> bool:
    if entry.type not in _ROW_COUNTS or entry.severity != "critical":
        return False
    least = entry.kwargs.get("value" if entry.type.endswith("equal") else "min_value")
    return isinstance(least, int | float) and least >= 1
