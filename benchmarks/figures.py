"""Figures, as a benchmark prints them (one JSON object on a line), and what they must reach."""

import json
import operator
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    figure: str
    """What was measured, in words that stand alone."""
    value: float
    unit: str
    target: str | None = None
    """What it must reach, such as `<= 13`; None where nothing is asked."""

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        sign, bound = self.target.split()
        return bool(_OPERATORS[sign](self.value, float(bound)))


def tell(figure: str, value: float, unit: str, target: str | None = None) -> None:
    """Print a figure, rounded to what a repetition would give again."""
    digits = 2 if unit == "s" else 4
    rounded = round(value) if abs(value) >= 1000 else round(value, digits)
    print(json.dumps(asdict(Figure(figure, rounded, unit, target))), flush=True)


def tell_median(figure: str, values: Iterable[float], unit: str, target: str | None = None) -> None:
    """Print the median of several runs."""
    runs = list(values)
    tell(f"{figure} (median of {len(runs)})", median(runs), unit, target)


def figures_in(output: str) -> list[Figure]:
    """The figures in what a benchmark printed; its other lines are for the person who looks on."""
    return [Figure(**entry) for entry in map(_as_entry, output.splitlines()) if entry]


def _as_entry(line: str) -> dict[str, Any] | None:
    return dict(json.loads(line)) if line.startswith('{"figure"') else None
