"""From a file and a few words to the draft of a workload: what was seen, what was decided, and the files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.kinds.tabular.profile.columns import TYPES, Column, ColumnType, could_be_day_or_month, make_column
from gristmill.kinds.tabular.profile.findings import findings
from gristmill.kinds.tabular.profile.look import Look, UnfitFileError, check_column, look_at
from gristmill.kinds.tabular.profile.recipe import categories, ingest_section, params_yaml, sights, suite_json
from gristmill.kinds.tabular.profile.sizes import Sizes, sizes_of_classes, sizes_of_numbers

_MOST_CLASSES_OF_NUMBERS = 10
"""Different whole numbers up to which a target of numbers is taken for classes."""
_MOST_CLASSES = 100


@dataclass(frozen=True)
class Wish:
    """What a person said about the workload."""

    name: str
    file: Path
    target: str
    id: str | None = None
    group: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    """By column, where the guess is to be overruled."""
    task: str | None = None
    goal: str | None = None
    decision: str | None = None
    owner: str = ""


@dataclass(frozen=True)
class Draft:
    """A workload that is not written yet."""

    read: str | None
    """How the file is written, where that is not plain."""
    columns: list[dict[str, str]]
    """What was seen of each column, for a table: column, type, missing, values, examples, used."""
    findings: list[str]
    decided: list[str]
    """Task, rows, and what the gate can see, a sentence each."""
    params: str
    suite: str


def draft(wish: Wish) -> Draft:
    """Look at the file and write down what follows from it.

    Raises:
        UnfitFileError: no workload can be made of it; nothing is guessed that a person has to say.
    """
    look = look_at(wish.file)
    _check_words(look, wish)
    columns = {
        name: make_column(name, cells, look.dialect, _declared(wish, name)) for name, cells in look.cells.items()
    }
    target = columns.pop(wish.target)
    task = wish.task or _task(look, target)
    classes = _classes(look, target) if task == "classification" else []
    target = _as_target(look, target, task)
    named = {name: columns.pop(name) for name in dict.fromkeys((wish.id, wish.group)) if name in columns}
    found = findings(list(columns.values()), target, task, len(look.ragged), look.ragged[0] if look.ragged else None)
    for column in columns.values():
        if could_be_day_or_month(column) and not column.left_out:
            found.append(
                f"'{column.name}' could be day/month or month/day, for no cell decides it; it is read as "
                f"{column.date_format}. Change ingest.date_format if that is wrong."
            )
    features = [column for column in columns.values() if not column.left_out]
    if not features:
        raise UnfitFileError(look.name, f"has nothing left to predict '{wish.target}' from. {' '.join(found)}")
    sizes = sizes_of_classes([target.counts[name] for name in classes]) if classes else _sizes_of(look, target)
    left_out = [column.name for column in columns.values() if column.left_out]
    ingest = ingest_section(look.dialect, features, target, left_out, not classes, id=wish.id, group=wish.group)
    return Draft(
        read=f"{look.name}: {look.dialect.sentence}." if look.dialect.sentence else None,
        columns=[_shown(column, "features") for column in columns.values()]
        + [_shown(column, "names the record" if name == wish.id else "group") for name, column in named.items()]
        + [_shown(target, "target")],
        findings=found,
        decided=[_decided(look, wish, classes, len(features)), *sights(sizes, classes)],
        params=params_yaml(
            wish.name, look.name, look.n_rows, _problem(wish, classes, len(features)), ingest, features, classes, sizes
        ),
        suite=suite_json(wish.name, features, target, classes),
    )


def _check_words(look: Look, wish: Wish) -> None:
    check_column(look, wish.target, "--target")
    for name, option in ((wish.id, "--id"), (wish.group, "--group")):
        if name is not None:
            check_column(look, name, option)
            if name == wish.target:
                raise UnfitFileError(look.name, f"cannot have '{name}' as the target and as {option}.")
    for name, kind in wish.types.items():
        check_column(look, name, "--type")
        if kind not in TYPES:
            raise UnfitFileError(look.name, f"cannot have '{name}' as '{kind}': --type takes {', '.join(TYPES)}.")


def _declared(wish: Wish, name: str) -> ColumnType | None:
    return next((kind for kind in TYPES if wish.types.get(name) == kind), None)


def _task(look: Look, target: Column) -> str:
    n_values = len(target.counts)
    if n_values < 2:
        value = next(iter(target.counts), None)
        what = "is empty throughout" if value is None else "has one value only in all rows"
        raise UnfitFileError(look.name, f"cannot be learnt from: the target '{target.name}' {what}.")
    is_number = (
        target.type in ("numeric", "id")
        and make_column(target.name, look.cells[target.name], look.dialect, "numeric").numbers
    )
    if is_number and n_values > _MOST_CLASSES_OF_NUMBERS:
        return "regression"
    if is_number and any(value != int(value) for value in is_number):
        return "regression"
    return "classification"


def _classes(look: Look, target: Column) -> list[str]:
    names = sorted({cell for cell in look.cells[target.name] if cell})
    if len(names) < 2:
        raise UnfitFileError(
            look.name, f"cannot be learnt from: the target '{target.name}' has one value only in all rows."
        )
    if len(names) > _MOST_CLASSES:
        raise UnfitFileError(
            look.name,
            f"has {len(names):,} different values in the target '{target.name}', too many for classes. Is it a number "
            "(--task regression), or another column's business?",
        )
    return names


def _as_target(look: Look, target: Column, task: str) -> Column:
    column = make_column(
        target.name, look.cells[target.name], look.dialect, "numeric" if task == "regression" else "categorical"
    )
    if task == "regression" and not column.numbers:
        raise UnfitFileError(look.name, f"has no number in the target '{target.name}', so it cannot be a regression.")
    return column


def _sizes_of(look: Look, target: Column) -> Sizes:
    return sizes_of_numbers(look.n_rows, float(np.std(target.numbers)))


def _problem(wish: Wish, classes: list[str], n_features: int) -> dict[str, Any]:
    if len(classes) == 2:
        costs = {f"{a} taken for {b}": "not said yet" for a, b in (classes, classes[::-1])}
    elif classes:
        costs = {"one class taken for another": "not said yet"}
    else:
        costs = {"an answer that is too high": "not said yet", "an answer that is too low": "not said yet"}
    what = (
        f"'{wish.target}' ({', '.join(classes[:6])}{', ...' if len(classes) > 6 else ''})"
        if classes
        else f"the number '{wish.target}'"
    )
    return {
        "goal": wish.goal or f"Predict {what} from {n_features} columns.",
        "decision": wish.decision or "not said yet: what does somebody do differently because of an answer?",
        "costs": costs,
        "owner": wish.owner or "not said yet",
    }


def _decided(look: Look, wish: Wish, classes: list[str], n_features: int) -> str:
    if not classes:
        return f"A regression of '{wish.target}' from {n_features} columns, {look.n_rows:,} rows."
    into = f"{len(classes)} classes from {n_features} columns"
    return f"A classification of '{wish.target}' into {into}, {look.n_rows:,} rows."


def _shown(column: Column, used: str) -> dict[str, str]:
    """A row of the table that a person sees; no examples of what names a person."""
    numbers = column.numbers if column.type == "numeric" else []
    if used in ("names the record", "group") or column.type in ("id", "text"):
        examples = "not shown"
    elif numbers:
        examples = f"{min(numbers):g} to {max(numbers):g}"
    elif column.type == "date":
        known = sorted(
            (value, cell) for value, cell in zip(column.values, column.cells, strict=True) if isinstance(value, float)
        )
        examples = f"{known[0][1]} to {known[-1][1]}" if known else ""
    else:
        names = categories(column)
        examples = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    kind = column.type if used != "names the record" else "id"
    return {
        "column": column.name,
        "type": f"{kind} (you said so)" if column.is_declared and used != "target" else kind,
        "missing": f"{column.n_missing / max(1, len(column.cells)):.1%}" if column.n_missing else "",
        "values": f"{len(column.counts):,}",
        "examples": examples,
        "used": used if not column.left_out else f"left out: {column.left_out}",
    }
