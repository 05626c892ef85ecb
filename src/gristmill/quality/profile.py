"""The reference profile of a workload: what its columns looked like, by which a suite measures new batches.

`expectations/<w>.profile.json` lies beside the suite, made by `gristmill expectations profile`, reviewed and committed like
it. A formula in a suite has these names, of the column that its entry looks at, and of the class, where it is about one:

    mean, sigma        of the values; sigma divides by their number
    low, high          the least and the greatest value seen
    q0001 ... q9999    quantiles: q0001 is 0.01 % from below, q5 the median, q9999 99.99 %
A column that is marked personal keeps its mean and sigma alone, and those of a few rows not even so: every other figure is
some row's own value.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gristmill.ground.errors import GristmillError

QUANTILES: Mapping[str, float] = {
    f"q{digits}": float(f"0.{digits}")
    for digits in ("0001", "001", "01", "05", "1", "25", "5", "75", "9", "95", "99", "999", "9999")
}
FIGURES = ("mean", "sigma", "low", "high", *QUANTILES)
"""What a formula may name beside `n`."""

Label = int | str


class ProfileError(GristmillError):
    """A reference profile that cannot be read."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)

    def __str__(self) -> str:
        path, problem = self.args
        path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        return f"{path}: {problem}. Write it anew: `gristmill expectations profile {path.name.partition('.')[0]}`."


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Bins(_Strict):
    """How often values fall between tenths of the reference, which lie closer together the more rows are there."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    """Below the first edge, between each two, above the last."""


class ColumnProfile(_Strict):
    """One column, of all rows or of those of one class."""

    n: int
    """Rows."""
    empty: int = 0
    """Rows without a value."""
    mean: float | None = None
    sigma: float | None = None
    low: float | None = None
    high: float | None = None
    quantiles: dict[str, float] = Field(default_factory=dict)
    bins: Bins | None = None
    values: dict[str, int] | None = None
    """Of a column of words: how often each occurs."""

    @property
    def figures(self) -> dict[str, float]:
        """By the names that formulas use."""
        named = {"mean": self.mean, "sigma": self.sigma, "low": self.low, "high": self.high, **self.quantiles}
        return {name: value for name, value in named.items() if value is not None}


class ClassProfile(_Strict):
    """The rows of one class."""

    value: Label
    n: int
    columns: dict[str, ColumnProfile]
    """The numbers among the columns."""


class Profile(_Strict):
    """The reference of one workload."""

    workload: str
    n: int
    """Rows."""
    columns: dict[str, ColumnProfile]
    classes: tuple[ClassProfile, ...] = ()
    """In the order of their values; none for a regression."""

    @property
    def labels(self) -> list[Label]:
        """The classes."""
        return [one.value for one in self.classes]

    def figures(self, column: str, label: Label | None) -> dict[str, float] | None:
        """What formulas about a column may name; None where the profile does not have it, or not of that class."""
        columns = self.columns
        if label is not None:
            columns = next((one.columns for one in self.classes if one.value == label), {})
        return columns[column].figures if column in columns else None

    def partition(self, column: str) -> dict[str, Any] | None:
        """How a column was distributed, as Great Expectations takes it; None where the profile does not say."""
        if column == "target" and self.classes:
            n = sum(one.n for one in self.classes)
            return {"values": self.labels, "weights": [one.n / n for one in self.classes]}
        found = self.columns.get(column)
        if found and found.values:
            n = sum(found.values.values())
            return {"values": list(found.values), "weights": [count / n for count in found.values.values()]}
        if found and found.bins:
            n = sum(found.bins.counts)
            first, *inner, last = (count / n for count in found.bins.counts)
            return {"bins": list(found.bins.edges), "weights": inner, "tail_weights": [first, last]}
        return None


def profile_path(suite: Path) -> Path:
    """Where the profile of a suite lies: beside it."""
    return suite.with_suffix(".profile.json")


def read_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ProfileError: there is none, or it is not one.
    """
    try:
        return Profile.model_validate(json.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        raise ProfileError(path, "the file does not exist") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise ProfileError(path, f"{where}: {problem['msg']}") from error
    except ValueError as error:  # JSON, or the encoding of its text
        raise ProfileError(path, f"not readable as JSON: {error}") from error


def profile_text(profile: Profile) -> str:
    """The file's text: a line for each column, so that a review shows which of them moved."""
    lines = _columns(profile.columns, "  ")
    text = f'{{\n "workload": {_json(profile.workload)},\n "n": {profile.n},\n "columns": {{\n{lines}\n }}'
    if profile.classes:
        classes = ",\n".join(
            f'  {{"value": {_json(one.value)}, "n": {one.n}, "columns": {{\n{_columns(one.columns, "   ")}\n  }}}}'
            for one in profile.classes
        )
        text += f',\n "classes": [\n{classes}\n ]'
    return text + "\n}\n"


def _columns(columns: Mapping[str, ColumnProfile], indent: str) -> str:
    return ",\n".join(
        f"{indent}{_json(name)}: {_json(column.model_dump(exclude_none=True, exclude_defaults=True))}"
        for name, column in columns.items()
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
