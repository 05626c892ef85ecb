"""What a workload's data must satisfy, as a reviewed JSON file that is read strictly.

Great Expectations drops an entry that it does not know and calls an empty suite a success (measured), so a typo would
open the door. Here every entry is read by its own, and the first doubt is an error that names file and entry: a fault
of the platform, never of the data.

    {"name": "<workload>",
     "meta": {"columns": {"target": {"type": "integer", "called": "label", "needed": true}, ...}},
     "expectations": [{"type": "expect_...", "kwargs": {...}, "severity": "critical", "notes": "why, in a few words"}]}

A bound may be a formula in the batch's rows and the figures of the profile beside it (resolution.py, profile.py).
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gristmill.ground.errors import GristmillError
from gristmill.quality.bounds import FormulaError
from gristmill.quality.profile import Label, Profile, ProfileError, profile_path, read_profile
from gristmill.quality.resolution import depends_on_rows, label_of, of_class, resolved

Severity = Literal["critical", "warning", "info"]
ColumnType = Literal["bytes", "integer", "number", "text"]

_ROW_COUNTS = ("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal")
_SIZES = (1, 100, 1_000_000)
"""Rows for which a formula must make sense before any batch comes."""


class SuiteError(GristmillError):
    """A file of expectations that cannot be trusted."""

    def __init__(self, path: Path, entry: str, problem: str) -> None:
        super().__init__(path, entry, problem)

    def __str__(self) -> str:
        return f"{self.line}. Correct {_shown(self.args[0])}; no batch is judged until then."

    @property
    def line(self) -> str:
        """File, entry and problem, for a list of several."""
        path, entry, problem = self.args
        return f"{_shown(path)}: {entry + ': ' if entry else ''}{problem}"


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


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
    each: Literal["target"] | None = None
    """`target`: one expectation for each class of the profile, of the rows of that class."""
    notes: str = ""
    """Why, in a few words; added to the sentence that a person reads."""

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        names = [self.kwargs.get(key) for key in ("column", "column_A", "column_B")]
        names += [*self.kwargs.get("column_list", []), self.each]
        return [name for name in names if isinstance(name, str)]

    @property
    def condition(self) -> str | None:
        """Which rows it looks at; None where it looks at all."""
        condition = self.kwargs.get("row_condition")
        return condition if isinstance(condition, str) else None

    @property
    def label(self) -> Label | None:
        """The class that it is about."""
        return label_of(self.kwargs)

    @property
    def depends_on_batch(self) -> bool:
        """Whether it is another expectation for each batch."""
        return self.each is not None or depends_on_rows(self.kwargs)

    @property
    def tolerates_rows(self) -> bool:
        """Whether it is a statement about a share of the rows rather than about each."""
        mostly = self.kwargs.get("mostly", 1)
        return isinstance(mostly, int | float) and mostly < 1


class _Written(_Strict):
    """The file."""

    name: str
    meta: Meta = Field(default_factory=Meta)
    expectations: tuple[Expectation, ...]


class Suite(_Written):
    """All that is expected of one workload's batches."""

    profile: Profile | None = None
    """What its formulas name; no part of the file, but of the one beside it."""

    def called(self, column: str) -> str:
        """The name of a column in sentences."""
        declared = self.meta.columns.get(column)
        return (declared.called if declared else None) or column

    def reads(self, available: list[str]) -> list[str]:
        """Which of a batch's columns are needed to judge it."""
        wanted = set(looked_at(self.expectations, available))
        wanted |= {name for name, column in self.meta.columns.items() if column.needed and column.type != "bytes"}
        return [name for name in available if name in wanted]

    def asked(self, position: int) -> list[Expectation]:
        """One entry as one expectation, or as one for each class that the profile knows."""
        entry = self.expectations[position]
        if entry.each is None:
            return [entry]
        labels = self.profile.labels if self.profile else []
        return [entry.model_copy(update={"each": None, "kwargs": of_class(entry.kwargs, label)}) for label in labels]

    def in_numbers(self, entry: Expectation, n: int) -> Expectation:
        """One of `asked`, for a batch in which it looks at `n` rows.

        Raises:
            FormulaError: a bound has no value.
        """
        return entry.model_copy(update={"kwargs": resolved(entry.kwargs, self.profile, n)})


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


class Reading(NamedTuple):
    """What came of reading a suite."""

    suite: Suite | None
    """None where the file is not one."""
    faults: list[SuiteError]
    """Every doubt, in the file's order."""


def read_suite(path: Path, name: str) -> Suite:
    """Read the suite called `name`, and the profile beside it where there is one.

    Raises:
        SuiteError: the file is missing or malformed, an entry is, one is there twice, or none demands rows; a formula cannot
            be reckoned, or the profile cannot be read.
    """
    suite, faults = check_suite(path, name)
    if suite is None or faults:
        raise faults[0]
    return suite


def check_suite(path: Path, name: str) -> Reading:
    """Read the suite called `name`, and say all that is wrong with it; of what raises `read_suite`."""
    try:
        content = json.loads(path.read_text("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except FileNotFoundError:
        return Reading(None, [SuiteError(path, "", "the file does not exist")])
    except (ValueError, UnicodeDecodeError) as error:
        return Reading(None, [SuiteError(path, "", f"not readable as JSON: {error}")])
    try:
        written = _Written.model_validate(content)
    except ValidationError as error:
        return Reading(None, [_malformed(path, content, problem) for problem in error.errors()])
    faults = []
    if written.name != name:
        faults.append(SuiteError(path, "name", f"it is '{written.name}', but the workload is '{name}'"))
    profile, problem = _profile(profile_path(path), name)
    faults += [SuiteError(profile_path(path), "", problem)] if problem else []
    suite = Suite(name=written.name, meta=written.meta, expectations=written.expectations, profile=profile)
    return Reading(suite, [*faults, *(SuiteError(path, entry, problem) for entry, problem in _lint(suite))])


def _profile(path: Path, name: str) -> tuple[Profile | None, str | None]:
    """The profile, None where there is none, and what is wrong with it."""
    if not path.exists():
        return None, None
    try:
        profile = read_profile(path)
    except ProfileError as error:
        return None, str(error.args[1])
    return profile, None if profile.workload == name else f"it is that of '{profile.workload}', not of '{name}'"


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f"the key '{repeated[0]}' is there twice in one object")
    return dict(pairs)


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _malformed(path: Path, content: Any, problem: Any) -> SuiteError:
    """A problem in the words of the file."""
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


def _lint(suite: Suite) -> Iterator[tuple[str, str]]:
    """What is well-formed and still means nothing, or not what its author meant: entry and problem."""
    if not suite.expectations:
        yield "expectations", "it is empty, and an empty suite would admit anything"
        return
    seen: dict[str, int] = {}
    for i, entry in enumerate(suite.expectations):
        key = json.dumps([entry.type, entry.kwargs, entry.each], sort_keys=True)
        name = entry_name(i, entry.type)
        if key in seen:
            yield name, f"it repeats expectation {seen[key] + 1}"
        seen.setdefault(key, i)
        yield from ((name, problem) for problem in _doubts(suite, i))
    if not any(_demands_rows(entry) for entry in suite.expectations):
        yield (
            "expectations",
            "no critical check of the row count that demands at least one row, and zero rows pass every check of rows "
            f"(add {_ROW_COUNTS[0]} with min_value)",
        )


def _doubts(suite: Suite, position: int) -> Iterator[str]:
    entry = suite.expectations[position]
    for pattern in [entry.kwargs.get("regex"), *entry.kwargs.get("regex_list", [])]:
        try:
            re.compile(pattern or "")
        except (re.error, TypeError) as error:
            yield f"the regular expression {pattern!r} cannot be read ({error})"
    if entry.each and entry.condition:
        yield "it has a row_condition, and `each` writes one of its own"
    elif entry.each and not (suite.profile and suite.profile.classes):
        yield "`each` needs the classes of a reference profile: `gristmill expectations profile` writes it"
    else:
        yield from next(filter(None, (_misfit(suite, one) for one in suite.asked(position))), ())


def _misfit(suite: Suite, entry: Expectation) -> tuple[str, ...]:
    """What is wrong with the bounds of one expectation, for some number of rows."""
    for n in _SIZES if entry.depends_on_batch else _SIZES[:1]:
        of = "" if not entry.depends_on_batch else f" for {n:,} {'row' if n == 1 else 'rows'}"
        of += "" if entry.label is None else f" of class {entry.label}"
        try:
            kwargs = suite.in_numbers(entry, n).kwargs
        except FormulaError as error:
            return (str(error),)
        low, high = kwargs.get("min_value"), kwargs.get("max_value")
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            return (f"min_value {low:g} is above max_value {high:g}{of}, so nothing could pass",)
        threshold = kwargs.get("threshold")
        if isinstance(threshold, int | float) and threshold < 0:
            return (f"threshold {threshold:g} is below 0{of}, so nothing could pass",)
    return ()


def _demands_rows(entry: Expectation) -> bool:
    if entry.type not in _ROW_COUNTS or entry.severity != "critical":
        return False
    least = entry.kwargs.get("value" if entry.type.endswith("equal") else "min_value")
    return isinstance(least, int | float) and least >= 1
