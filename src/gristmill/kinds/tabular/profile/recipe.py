"""The files of a new workload: params with the reason for each bound, and a suite that its own data passes."""

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from gristmill.kinds.tabular.profile.columns import Column
from gristmill.kinds.tabular.profile.sizes import Sizes
from gristmill.kinds.tabular.records.dialect import Dialect

_EPOCH = datetime.date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = (day.toordinal() - _EPOCH.toordinal() for day in (datetime.date.min, datetime.date.max))
_DECADE_DAYS = 3_650
_SPARE = 0.5
"""How much further than the range that was seen a value may lie, in widths of that range, on either side."""


def params_yaml(
    workload: str,
    file_name: str,
    n_rows: int,
    problem: Mapping[str, Any],
    ingest: Mapping[str, Any],
    features: Sequence[Column],
    classes: Sequence[str],
    sizes: Sizes,
) -> str:
    """params/<w>.yaml, each bound with its reason; no classes: a regression."""
    task = "classification" if classes else "regression"
    prepare: dict[str, Any] = {"task": task}
    if classes:
        prepare["classes"] = list(classes)
    prepare["holdout_fraction"], prepare["validation_fraction"] = sizes.holdout_fraction, sizes.validation_fraction
    prepare["columns"] = {
        column.name: categories(column) if column.type == "categorical" else column.type for column in features
    }
    train: dict[str, Any] = {
        "seed": 0,
        "device": "cpu",
        "threads": 1,
        "precision": "fp32",
        "epochs": sizes.epochs,
        "batch_size": sizes.batch_size,
        "optimizer": "adamw",
        "learning_rate": 0.005,
        "weight_decay": 0.05,
        "primary": "balanced_accuracy" if classes else "rmse",
    }
    if classes:
        train["class_weights"] = "balanced"
    if sizes.cross_validation:
        train["cross_validation"] = sizes.cross_validation
    train["network"] = {"hidden": list(sizes.hidden), "embedding": 4, "dropout": sizes.dropout}
    gate = {
        "metric": "balanced_accuracy" if classes else "rmse",
        "floors": {"balanced_accuracy" if classes else "r2": sizes.floor},
        "margin": sizes.margin,
        "confidence": 0.95,
        "resamples": 10_000,
        "seed": 0,
    }
    parts = [
        f"# {workload}: made from {file_name} ({n_rows:,} rows) by `gristmill new`. Yours to change;",
        "# docs/reference.md explains each key.",
        "",
        "# What the model is for. It stands on top of every report; fill in what is not said yet.",
        _section("problem", problem),
        "# Besides this schedule, new data starts a turn at any time while `gristmill up` runs.",
        _section("schedule", {"cron": "0 3 * * *", "timezone": "UTC"}),
        _section("ingest", ingest),
        "# A batch with more bad rows than this is quarantined as a whole; up to it, its good rows come in.",
        _section("validate", {"max_bad_rows": 0.05}),
        f"# About {sizes.n_holdout:,} of the {n_rows:,} rows are held out: only evaluation reads them.",
        _section("prepare", prepare),
        _section("train", train),
        "evaluate: {}\n",
        *(f"# {line}" for line in sights(sizes, classes)),
        _section("gate", gate),
        _section("package", {"description": problem["goal"]}),
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def sights(sizes: Sizes, classes: Sequence[str]) -> list[str]:
    """What the gate of a workload of this size can see, and what it cannot, a sentence a line."""
    if classes:
        return [
            f"The floor: guessing has a balanced accuracy of {1 / len(classes):.3g}; {sizes.floor:g} is three standard",
            f"errors above it on about {sizes.n_holdout:,} held-out rows: what has learnt nothing hardly ever passes.",
            f"The margin: so many rows can show a difference of about {sizes.margin:g} between two models, no smaller one.",
            "More rows sharpen both: move the floor up and the margin down as they come.",
        ]
    return [
        f"The floor: guessing the mean has an r2 of 0; on about {sizes.n_holdout:,} held-out rows chance alone stays",
        f"below {sizes.floor:g}.",
        f"The margin, in units of the target: so many rows can show a difference in rmse of about {sizes.margin:g}, and no",
        "smaller one. More rows sharpen both: move the floor up and the margin down as they come.",
    ]


def ingest_section(
    dialect: Dialect,
    features: Sequence[Column],
    target: Column,
    left_out: Sequence[str],
    is_number: bool,
    **names: str | None,
) -> dict[str, Any]:
    """What `ingest` is to read; of the dialect only what a later file might leave open."""
    section: dict[str, Any] = {"target": target.name}
    if is_number:
        section["target_type"] = "number"
    section |= {key: name for key, name in names.items() if name is not None}
    if dialect.delimiter != ",":
        section["delimiter"] = dialect.delimiter
    if dialect.decimal != ".":
        section["decimal"] = dialect.decimal
    if dialect.encoding == "cp1252":
        section["encoding"] = "cp1252"
    if formats := sorted({column.date_format for column in features if column.date_format}):
        section["date_format"] = formats[0]
    section["columns"] = {column.name: column.type for column in features}
    if left_out:
        section["ignore"] = list(left_out)
    return section


def categories(column: Column) -> list[str]:
    """The values of a category, the most frequent first."""
    return [value for value, _ in sorted(column.counts.items(), key=lambda one: (-one[1], one[0]))]


def suite_json(workload: str, features: Sequence[Column], target: Column, classes: Sequence[str]) -> str:
    """expectations/<w>.json: what the file itself satisfies, with room for what comes after it."""
    entries = [
        _expect("table_row_count_to_be_between", "fewer rows say nothing about a share", min_value=20),
        _expect("column_values_to_not_be_null", column="target"),
    ]
    if classes:
        entries.append(_expect("column_values_to_be_in_set", column="target", value_set=list(classes)))
        entries.append(_as_frequent_as_before(len(classes)))
    else:
        entries.append(_between("target", target.numbers, _SPARE))
    for column in features:
        entries += _expectations(column)
    types = {one.name: {"type": "text" if one.type == "categorical" else "number"} for one in features}
    needed = {"type": "text" if classes else "number", "called": target.name, "needed": True}
    lines = ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in entries)
    columns = ",\n".join(
        f"   {json.dumps(name, ensure_ascii=False)}: {json.dumps(of, ensure_ascii=False)}"
        for name, of in {"target": needed, **types}.items()
    )
    return (
        f'{{\n "name": {json.dumps(workload)},\n "meta": {{\n  "columns": {{\n{columns}\n  }}\n }},\n'
        f' "expectations": [\n{lines}\n ]\n}}\n'
    )


def _as_frequent_as_before(n_classes: int) -> dict[str, Any]:
    """Twice n times the divergence of a clean batch is chi-squared; the bound lies above its 99.99 % for any classes."""
    return _expect(
        "column_kl_divergence_to_be_less_than",
        "the shares of the classes when the workload was made",
        "warning",
        column="target",
        partition_object="profile",
        threshold=f"max(0.02, {n_classes + 8} / n)",
        tail_weight_holdout=0.001,
    )


def _expectations(column: Column) -> list[dict[str, Any]]:
    missing = column.n_missing / len(column.cells)
    if missing == 0:
        entries = [_expect("column_values_to_not_be_null", "it never was empty", column=column.name)]
    else:
        mostly = max(0.0, round(1 - 2 * missing - 0.05, 2))
        note = f"{missing:.1%} were empty when the workload was made"
        entries = [_expect("column_values_to_not_be_null", note, "warning", column=column.name, mostly=mostly)]
    if column.type == "categorical":
        entries.append(_expect("column_values_to_be_in_set", column=column.name, value_set=categories(column)))
    elif column.type == "date":
        entries.append(_days_between(column.name, column.numbers))
    else:
        entries.append(_between(column.name, column.numbers, _SPARE))
    return entries


def _between(name: str, numbers: Sequence[float], spare: float) -> dict[str, Any]:
    low, high = min(numbers), max(numbers)
    room = (high - low) * spare
    bounds: dict[str, Any] = {
        "min_value": 0.0 if 0 <= low < room else float(f"{low - room:.8g}"),
        "max_value": 0.0 if -room < high <= 0 else float(f"{high + room:.8g}"),
    }
    note = f"from {low:g} to {high:g} when the workload was made, and half as much again"
    return _expect("column_values_to_be_between", note, column=name, **bounds)


def _days_between(name: str, days: Sequence[float]) -> dict[str, Any]:
    low, high = min(days), max(days)
    first = max(_FIRST_DAY, int(low - (high - low)) - 1)
    last = min(_LAST_DAY, int(high + _DECADE_DAYS))
    note = f"days since 1970: {_EPOCH + datetime.timedelta(first)} to {_EPOCH + datetime.timedelta(last)}"
    return _expect("column_values_to_be_between", note, column=name, min_value=first, max_value=last)


def _expect(kind: str, notes: str = "", severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity}
    return {**entry, "notes": notes} if notes else entry


def _section(name: str, values: Mapping[str, Any]) -> str:
    return yaml.dump({name: dict(values)}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=118)


class _Dumper(yaml.SafeDumper):
    """Lists on one line: they are categories and layers."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        return super().represent_sequence(tag, sequence, flow_style=True)

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)
