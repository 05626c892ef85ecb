"""How good the models are: side by side, class by class, and what is mistaken for what."""

from collections.abc import Sequence
from html import escape
from typing import Any

from gristmill.evaluation.metrics import METRICS, higher_is_better
from gristmill.evaluation.report.contents import ROLE_NAMES, Page, is_repeated
from gristmill.evaluation.report.html import capital, cell, change, meter, number, table
from gristmill.evaluation.tables import ROLES
from gristmill.evaluation.words import metric_words

_MOST_CLASSES = 40
"""Classes that the table shows; of more, the worst."""
_WIDEST_MATRIX = 24
"""Classes up to which the confusion matrix is drawn."""


def models_section(page: Page) -> str:
    """Every metric of every model, on the held-out records and on the benchmark."""
    columns = [
        (name, role)
        for name in ("holdout", "benchmark")
        for role in ROLES
        if role in page.metrics[name] and not is_repeated(page, role)
    ]
    if not columns:
        return "<p>No record is in the holdout yet, so nothing could be measured.</p>"
    rows = []
    for metric in METRICS[page.metrics["task"]]:
        values = [page.metrics[name][role][metric] for name, role in columns]
        cells = [number(value, is_best=_is_best(metric, index, columns, values)) for index, value in enumerate(values)]
        arrow = "" if higher_is_better(metric) else ' <span class="unit">lower is better</span>'
        words = metric_words(metric)
        rows.append([f'<th scope="row">{escape(capital(words))}{arrow}</th>', *cells])
    groups = "".join(
        f'<th scope="colgroup" colspan="{sum(one == name for one, _ in columns)}">{title} '
        f'<span class="unit">{page.metrics[name]["n"]:,} records</span></th>'
        for name, title in (("holdout", "Held out"), ("benchmark", "Benchmark"))
        if any(one == name for one, _ in columns)
    )
    heads = "".join(f'<th scope="col" class="number">{ROLE_NAMES[role]}</th>' for _, role in columns)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    same = (
        "<p class='fine'>The champion is the best version so far.</p>"
        if page.metrics["champion_sha256"] and is_repeated(page, "best")
        else ""
    )
    return (
        '<div class="scroll"><table><caption class="hidden">Metrics of each model</caption>'
        f'<thead><tr><td></td>{groups}</tr><tr><th scope="col">metric</th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{same}{_averages(page)}"
    )


def _averages(page: Page) -> str:
    if page.metrics["task"] != "classification":
        return ""
    return (
        '<p class="fine">Macro averages weigh each class alike, however rare it is. Balanced accuracy is the mean recall '
        "of the classes. Log loss is in nats.</p>"
    )


def _is_best(metric: Any, index: int, columns: list[tuple[str, str]], values: list[float]) -> bool:
    rivals = [value for (name, _), value in zip(columns, values, strict=True) if name == columns[index][0]]
    if len(set(rivals)) < 2:
        return False
    return values[index] == (max(rivals) if higher_is_better(metric) else min(rivals))


def classes_section(page: Page) -> str:
    """F1, precision and recall of each class; empty for a regression."""
    holdout = page.metrics["holdout"]
    if "per_class" not in holdout.get("challenger", {}):
        return ""
    per_class, champion = holdout["challenger"]["per_class"], holdout.get("champion", {}).get("per_class")
    shown = list(page.metrics["classes"])
    note = ""
    if len(shown) > _MOST_CLASSES:
        note = f'<p class="fine">The {_MOST_CLASSES} classes with the lowest F1, of {len(shown):,}.</p>'
        shown = sorted(shown, key=lambda name: per_class[name]["f1"])[:_MOST_CLASSES]
    rows = []
    for name in shown:
        one = per_class[name]
        cells = [cell(name, header=True), meter(one["f1"]), number(one["precision"]), number(one["recall"])]
        if champion:
            cells.append(change(one["f1"] - champion[name]["f1"]))
        rows.append([*cells, f'<td class="number">{one["support"]:,}</td>'])
    heads = ["class", "F1", "precision", "recall", *(["F1 against champion"] if champion else []), "records"]
    return table("The challenger on the held-out records, class by class", heads, rows, "classes") + note


def confusion_section(page: Page) -> str:
    """The confusion matrix, and the most frequent mistakes; empty for a regression."""
    challenger = page.metrics["holdout"].get("challenger", {})
    if "confusion" not in challenger:
        return ""
    classes, counts = page.metrics["classes"], challenger["confusion"]
    matrix = _matrix(classes, counts) if len(classes) <= _WIDEST_MATRIX else ""
    mistakes = sorted(
        ((count, a, p) for a, row in enumerate(counts) for p, count in enumerate(row) if a != p and count),
        key=lambda one: (-one[0], one[1], one[2]),
    )
    listed = "".join(
        f"<li><strong>{escape(classes[a])}</strong> taken for <strong>{escape(classes[p])}</strong>: {count:,} of "
        f"{sum(counts[a]):,}</li>"
        for count, a, p in mistakes[: 5 if matrix else 20]
    )
    most = (
        f'<h3>Most frequent mistakes</h3><ol class="mistakes">{listed}</ol>' if listed else "<p>No mistake at all.</p>"
    )
    return matrix + most


def _matrix(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in classes)
    rows = []
    for name, row in zip(classes, counts, strict=True):
        total = sum(row) or 1
        cells = "".join(
            f'<td style="--share:{_shade(count / total)}"{" class=deep" if count / total > 0.5 else ""}>'
            f"{f'{count:,}' if count else '<span class=none>·</span>'}</td>"
            for count in row
        )
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return (
        '<p class="fine">Rows are what a record is, columns what the challenger took it for; shaded by the share of the '
        'row.</p><div class="scroll"><table class="matrix"><caption class="hidden">Confusion matrix of the challenger on '
        f"the held-out records</caption><thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _shade(share: float) -> str:
    """Square root, so that rare mistakes show too."""
    return f"{100 * share**0.5:.0f}%"
