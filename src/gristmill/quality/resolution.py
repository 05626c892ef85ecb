"""The arguments of an expectation as they are asked of one batch: formulas as numbers, the profile's own figures filled in.

"min_value": "mean - 4 * sigma / sqrt(n)"   n: the rows that it looks at, those that meet its row_condition; every other
                                            name: the profile's figure of its column, of the class that it is about
"row_condition": "target == 3"              it is about class 3; `"each": "target"` writes this for every class
"partition_object": "profile"               how the column was distributed in the reference
"""

import ast
import re
from collections.abc import Mapping
from typing import Any

from gristmill.quality.bounds import FormulaError, names_in, read_formula, value_of
from gristmill.quality.profile import FIGURES, Label, Profile

BOUNDS = ("min_value", "max_value", "threshold", "mostly")
"""Arguments that may be a formula."""

_OF_A_CLASS = re.compile(r"\s*target\s*==\s*(?P<label>.+?)\s*")
_PROFILE = "profile"


def depends_on_rows(kwargs: Mapping[str, Any]) -> bool:
    """Whether some bound is a formula, and so another number for each batch."""
    return any(isinstance(kwargs.get(key), str) for key in BOUNDS)


def of_class(kwargs: Mapping[str, Any], label: Label) -> dict[str, Any]:
    """The arguments for the rows of one class."""
    return {**kwargs, "row_condition": f"target == {label!r}", "condition_parser": "pandas"}


def label_of(kwargs: Mapping[str, Any]) -> Label | None:
    """The class that an expectation is about, where its row_condition names one and nothing else."""
    found = _OF_A_CLASS.fullmatch(str(kwargs.get("row_condition", "")))
    try:
        label = ast.literal_eval(found["label"]) if found else None
    except (ValueError, SyntaxError):
        return None
    return label if type(label) in (int, str) else None


def resolved(kwargs: Mapping[str, Any], profile: Profile | None, n: int) -> dict[str, Any]:
    """The arguments in numbers, for `n` rows (at least one); a share (`mostly`) is cut to 0..1.

    Raises:
        FormulaError: a formula cannot be read or has no value, or the profile lacks what it names.
    """
    asked = dict(kwargs)
    for key in BOUNDS:
        if isinstance(kwargs.get(key), str):
            try:
                asked[key] = _value(kwargs[key], kwargs, profile, n)
            except FormulaError as error:
                raise FormulaError(f"{key}: {error}") from error
    if isinstance(kwargs.get("mostly"), str):
        asked["mostly"] = min(1.0, max(0.0, asked["mostly"]))
    if kwargs.get("partition_object") == _PROFILE:
        column = str(kwargs.get("column"))
        asked["partition_object"] = _needed(profile).partition(column)
        if asked["partition_object"] is None:
            raise FormulaError(f"partition_object: the profile does not say how '{column}' was distributed")
    return asked


def _value(text: str, kwargs: Mapping[str, Any], profile: Profile | None, n: int) -> float:
    formula = read_formula(text)
    names = names_in(formula) - {"n"}
    if strange := sorted(names - set(FIGURES)):
        raise FormulaError(f"'{text}' names '{strange[0]}'; known are n, {', '.join(FIGURES)}")
    return value_of(formula, {"n": n, **(_figures(names, kwargs, _needed(profile)) if names else {})})


def _figures(names: set[str], kwargs: Mapping[str, Any], profile: Profile) -> dict[str, float]:
    column, label = str(kwargs.get("column", "")), label_of(kwargs)
    of = f"'{column}'" if label is None else f"'{column}' of class {label}"
    figures = profile.figures(column, label)
    if figures is None:
        raise FormulaError(f"the profile has no column {of}")
    if missing := sorted(names - figures.keys()):
        raise FormulaError(f"the profile gives no {missing[0]} of {of}")
    return figures


def _needed(profile: Profile | None) -> Profile:
    if profile is None:
        raise FormulaError(
            "it needs the reference profile, and there is none: `gristmill expectations profile` writes it"
        )
    return profile
