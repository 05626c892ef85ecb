"""What a person should know of a table before a model learns from it: nothing of this is decided in silence."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from gristmill.kinds.tabular.profile.columns import USED, Column

FEW_OF_A_CLASS = 20
_SURE = 0.995
"""Share of the rows whose target a single column tells, from which on it is suspected to know the answer."""
_FEW_VALUES = 50


def tells_the_target(column: Column, target: Column, task: str) -> float:
    """How much of the target a single column tells, judged on rows that its rule was not made of.

    Of classes the share of right answers, where each value answers with its most frequent target, and a number or date of
    many values with the target of the nearest. Of a number the share of its variance (r2) that a straight line explains, or
    the mean of each category.

    Returns:
        From 0 to 1. Nothing (0) where guessing is nearly as good, or where most values occur once.
    """
    rows = [i for i, value in enumerate(target.values) if value is not None]
    rule_rows, judged_rows = rows[::2], rows[1::2]
    if task == "regression":
        return _explained(column, target, rule_rows, judged_rows)
    keys = _keys(column, rule_rows)
    by_value: dict[object, Counter[object]] = defaultdict(Counter)
    for i in rule_rows:
        by_value[keys[i]][target.values[i]] += 1
    met = [i for i in judged_rows if keys[i] in by_value]
    if len(met) < len(judged_rows) / 2:
        return 0.0
    right = sum(by_value[keys[i]].most_common(1)[0][0] == target.values[i] for i in met) / len(met)
    guess = Counter(target.values[i] for i in met).most_common(1)[0][1] / len(met)
    return right if right - guess > (1 - guess) / 2 else 0.0


def findings(
    columns: Sequence[Column], target: Column, task: str, n_ragged: int, first_ragged: int | None
) -> list[str]:
    """Leave out what must not be learnt from, and say so, a sentence each."""
    said = []
    if n_ragged:
        said.append(
            f"{n_ragged:,} rows have another number of cells than the header (the first is row {first_ragged}); they will "
            "be quarantined."
        )
    said.extend(sentence for column in columns if (sentence := _of_one(column, target, task)))
    said.extend(_of_target(target, task))
    return said


def _of_one(column: Column, target: Column, task: str) -> str | None:
    name = f"'{column.name}'"
    if column.type not in USED:
        column.left_out = {"constant": "one value", "id": "names its row", "text": "text"}[column.type]
        return {
            "constant": f"{name} has one value at most: left out.",
            "id": f"{name} looks like the name of a row, from which nothing can be learnt for another: left out. "
            f"`--id {column.name}` makes it the records' id.",
            "text": f"{name} is text, or has too many different words for a category: left out.",
        }[column.type]
    told = tells_the_target(column, target, task)
    if told >= _SURE and not column.is_declared:
        column.left_out = "tells the target"
        return (
            f"{name} alone tells the target of {told:.1%} of the rows: it may be known only afterwards, so it is left out. "
            f"`--type {column.name}={column.type}` keeps it."
        )
    if column.n_unreadable:
        what = "number" if column.type == "numeric" else "date"
        return f"{name} has {column.n_unreadable:,} cells that are no {what}; their rows will be quarantined."
    return None


def _of_target(target: Column, task: str) -> list[str]:
    said = []
    if n_missing := target.n_missing:
        said.append(f"The target is empty in {n_missing:,} rows; they will be quarantined.")
    if task == "classification":
        few = {value: n for value, n in target.counts.items() if n < FEW_OF_A_CLASS}
        said.extend(
            f"The class '{value}' has {n} rows: too few to say how well it is told." for value, n in sorted(few.items())
        )
    elif target.n_unreadable:
        said.append(f"The target has {target.n_unreadable:,} cells that are no number; their rows will be quarantined.")
    return said


def _keys(column: Column, rule_rows: list[int]) -> list[object]:
    """What a rule about the column speaks of: its value, or the nearest value that the rule has met."""
    if column.type == "categorical" or len(set(column.values)) <= _FEW_VALUES:
        return list(column.values)
    met = np.unique([value for i in rule_rows if isinstance(value := column.values[i], float)])
    if not len(met):
        return list(column.values)
    middles = (met[1:] + met[:-1]) / 2
    return [None if value is None else int(np.searchsorted(middles, value)) for value in column.values]


def _explained(column: Column, target: Column, rule_rows: list[int], judged_rows: list[int]) -> float:
    y = np.array([0.0 if value is None else value for value in target.values], np.float64)
    if column.type != "categorical":
        x = np.array([np.nan if value is None else value for value in column.values], np.float64)
        both = [i for i in judged_rows if np.isfinite(x[i])]
        if len(both) > 2 and x[both].std() > 0 and y[both].std() > 0:
            return float(np.corrcoef(x[both], y[both])[0, 1] ** 2)
        return 0.0
    by_value: dict[object, list[float]] = defaultdict(list)
    for i in rule_rows:
        by_value[column.values[i]].append(float(y[i]))
    met = [i for i in judged_rows if column.values[i] in by_value]
    if len(met) < len(judged_rows) / 2 or not (variance := float(y[met].var())):
        return 0.0
    answers = np.array([np.mean(by_value[column.values[i]]) for i in met])
    return max(0.0, 1 - float(((y[met] - answers) ** 2).mean()) / variance)
