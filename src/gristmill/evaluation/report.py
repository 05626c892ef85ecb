"""The page that a person reads before they trust a model: one file, no script, no network, the same bytes when remade.

It opens with the verdict and ends with the identities of what was compared. Everything that came from data, down to a class
name, is escaped; a content security policy forbids the page to load anything at all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from gristmill.evaluation.charts import Whisker, curves_chart, difference_chart, folds_chart, share_bar
from gristmill.evaluation.gates import Decision, GateSettings
from gristmill.evaluation.metrics import METRICS, higher_is_better
from gristmill.evaluation.style import STYLE
from gristmill.evaluation.tables import ROLES
from gristmill.evaluation.words import figure, metric_words, signed

_MOST_CLASSES = 40
"""Classes that the table shows; of more, the worst."""
_WIDEST_MATRIX = 24
"""Classes up to which the confusion matrix is drawn."""
_MOST_BATCHES = 50

_ROLE_NAMES = {"challenger": "challenger", "champion": "champion", "best": "best so far"}
_STATUSES = ("admitted", "collapsed", "unjudged", "withheld", "dropped", "reverted", "quarantined")


@dataclass(frozen=True)
class Page:
    """Everything that the page shows."""

    workload: str
    settings: GateSettings
    decision: Decision
    metrics: Mapping[str, Any]
    """evaluation.json."""
    validation: Mapping[str, Any]
    """validation.json."""
    training: Mapping[str, Any]
    """training.json."""
    curves: Sequence[Mapping[str, Any]]
    """Rows of training.csv."""


def render(page: Page) -> str:
    """The page as HTML."""
    sections: list[tuple[str, str, Callable[[Page], str]]] = [
        ("gate", "What the gate asked", _gate),
        ("models", "The models side by side", _models),
        ("classes", "Class by class", _classes),
        ("confusion", "What is mistaken for what", _confusion),
        ("training", "Training", _training),
        ("data", "The data behind it", _data),
        ("notes", "Notes", _notes),
    ]
    bodies = [(name, title, body) for name, title, make in sections if (body := make(page))]
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title, _ in bodies)
    parts = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{escape(title)}</h2>{body}</section>'
        for name, title, body in bodies
    )
    verdict = page.decision.verdict
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>{verdict}: {escape(page.workload)}</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body class="{verdict.lower()}">
<header>
<p class="eyebrow">Gristmill <span aria-hidden="true">·</span> gate report</p>
<h1>{escape(page.workload)}</h1>
<div class="verdict"><strong class="badge">{verdict}</strong><p class="lead">{_lead(page)}</p></div>
<p class="sentence">{escape(page.decision.sentence)}</p>
{_tiles(page)}
<nav aria-label="On this page">{links}</nav>
</header>
<main>
{parts}
</main>
<footer>{_identities(page)}</footer>
</body>
</html>
"""


def _lead(page: Page) -> str:
    if page.decision.verdict == "HOLD":
        return "Not bad, but the evidence is not enough: a person decides."
    if page.decision.verdict == "REJECT":
        return "Not good enough for production."
    if page.metrics["champion_sha256"] is None:
        return "Good enough to be the first in production."
    if page.metrics["champion_sha256"] == page.metrics["challenger_sha256"]:
        return "The model in production, judged again."
    return "Good enough, and surely not worse than what is in production."


def _tiles(page: Page) -> str:
    metric, comparison = page.settings.metric, page.decision.comparison
    name = _capital(metric_words(metric))
    tiles = []
    for role in ROLES:
        if comparison.get(role) is not None and not _is_repeated(page, role):
            detail = _tile_detail(page, role)
            tiles.append((f"{name}, {_ROLE_NAMES[role]}", figure(comparison[role]), detail))
    benchmark = page.metrics["benchmark"]
    if "challenger" in benchmark:
        tiles.append(
            (f"{name} on the benchmark", figure(benchmark["challenger"][metric]), f"{benchmark['n']:,} records")
        )
    tiles.append(("Held-out records", f"{comparison['n']:,}", "seen by no model"))
    if page.decision.smallest_visible_difference is not None:
        detail = f"margin {page.settings.margin:g}"
        tiles.append(("Smallest visible difference", figure(page.decision.smallest_visible_difference), detail))
    return (
        '<dl class="tiles">'
        + "".join(
            f'<div><dt>{escape(term)}</dt><dd>{escape(value)}<span class="detail">{escape(detail)}</span></dd></div>'
            for term, value, detail in tiles
        )
        + "</dl>"
    )


def _tile_detail(page: Page, role: str) -> str:
    if role == "challenger":
        floor = page.settings.floors.get(page.settings.metric)
        bound = "floor" if higher_is_better(page.settings.metric) else "ceiling"
        return f"{bound} {floor:g}" if floor is not None else ""
    return f"model {str(page.metrics[f'{role}_sha256'])[:8]}"


def _is_repeated(page: Page, role: str) -> bool:
    """Whether the best so far is the champion, and needs no place of its own."""
    return role == "best" and page.metrics["best_sha256"] == page.metrics["champion_sha256"]


def _gate(page: Page) -> str:
    marks = {"pass": "✓ pass", "fail": "✗ fail", "unsure": "? unsure"}
    rows = [
        [
            _cell(_check_name(check.name), header=True),
            f'<td><span class="mark {check.outcome}">{marks[check.outcome]}</span></td>',
            _cell(check.sentence),
        ]
        for check in page.decision.checks
    ]
    table = _table("Checks of the gate", ["check", "outcome", "in words"], rows, "checks")
    return table + _differences(page) + f"<p>{escape(page.decision.sensitivity)}</p>" + _rule(page)


def _check_name(name: str) -> str:
    bound, _, metric = name.partition(": ")
    return _capital(f"{bound}: {metric_words(metric)}" if metric else bound)


def _differences(page: Page) -> str:
    whiskers = [
        Whisker(
            "against the " + ("champion" if "champion" in check.name else "best"),
            check.numbers["difference"],
            check.numbers["lower"],
            check.numbers["upper"],
        )
        for check in page.decision.checks
        if "difference" in check.numbers
        and check.numbers["lower"] < check.numbers["upper"]  # else it is the same model
    ]
    if not whiskers:
        return ""
    words = "; ".join(
        f"{one.label}: {signed(one.value)}, from {signed(one.lower)} to {signed(one.upper)}" for one in whiskers
    )
    margin = page.settings.margin
    caption = (
        f"Difference in {metric_words(page.settings.metric)}, {page.settings.confidence * 100:g} % interval of a paired "
        "bootstrap. Right of zero the challenger is better. PROMOTE needs the whole interval right of the margin."
    )
    chart = difference_chart(whiskers, margin, f"Interval of the difference, margin {-margin:g}. {words}.")
    return f"<figure>{chart}<figcaption>{escape(caption)}</figcaption></figure>"


def _rule(page: Page) -> str:
    settings = page.settings
    return (
        f'<p class="fine">The rule, as declared in <code>params/{escape(page.workload)}.yaml</code>: margin '
        f"{settings.margin:g} in {escape(metric_words(settings.metric))}, confidence {settings.confidence:g}, "
        f"{settings.resamples:,} resamples, seed {settings.seed}. Floors are judged on the held-out records; the benchmark "
        "decides nothing.</p>"
    )


def _models(page: Page) -> str:
    columns = [
        (name, role)
        for name in ("holdout", "benchmark")
        for role in ROLES
        if role in page.metrics[name] and not _is_repeated(page, role)
    ]
    if not columns:
        return "<p>No record is in the holdout yet, so nothing could be measured.</p>"
    rows = []
    for metric in METRICS[page.metrics["task"]]:
        values = [page.metrics[name][role][metric] for name, role in columns]
        cells = [_number(value, is_best=_is_best(metric, index, columns, values)) for index, value in enumerate(values)]
        arrow = "" if higher_is_better(metric) else ' <span class="unit">lower is better</span>'
        words = metric_words(metric)
        rows.append([f'<th scope="row">{escape(_capital(words))}{arrow}</th>', *cells])
    groups = "".join(
        f'<th scope="colgroup" colspan="{sum(one == name for one, _ in columns)}">{title} '
        f'<span class="unit">{page.metrics[name]["n"]:,} records</span></th>'
        for name, title in (("holdout", "Held out"), ("benchmark", "Benchmark"))
        if any(one == name for one, _ in columns)
    )
    heads = "".join(f'<th scope="col" class="number">{_ROLE_NAMES[role]}</th>' for _, role in columns)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    same = (
        "<p class='fine'>The champion is the best version so far.</p>"
        if page.metrics["champion_sha256"] and _is_repeated(page, "best")
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


def _classes(page: Page) -> str:
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
        cells = [_cell(name, header=True), _meter(one["f1"]), _number(one["precision"]), _number(one["recall"])]
        if champion:
            cells.append(_change(one["f1"] - champion[name]["f1"]))
        rows.append([*cells, f'<td class="number">{one["support"]:,}</td>'])
    heads = ["class", "F1", "precision", "recall", *(["F1 against champion"] if champion else []), "records"]
    return _table("The challenger on the held-out records, class by class", heads, rows, "classes") + note


def _confusion(page: Page) -> str:
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


def _training(page: Page) -> str:
    parts = []
    names = [key for key in (page.curves[0] if page.curves else {}) if key not in ("epoch", "split")]
    kept = page.training.get("best_epoch")
    charts = []
    for name in names:
        curves = {
            split: [(row["epoch"], row[name]) for row in page.curves if row["split"] == split]
            for split in ("train", "validation")
        }
        words = name.replace("_", " ")
        ends = "; ".join(f"{split} ends at {points[-1][1]:.4f}" for split, points in curves.items() if points)
        chart = curves_chart(
            {key: points for key, points in curves.items() if points}, kept, f"{words} by epoch: {ends}"
        )
        charts.append(f"<figure><h3>{escape(_capital(words))}</h3>{chart}</figure>")
    if charts:
        legend = '<p class="legend"><span class="key key-0">train</span><span class="key key-1">validation</span>'
        legend += f'<span class="key key-kept">epoch {kept}, kept</span></p>' if kept is not None else "</p>"
        parts.append(f'{legend}<div class="charts">{"".join(charts)}</div>')
    if folds := page.training.get("cross_validation"):
        parts.append(_cross_validation(folds))
    return "".join(parts)


def _cross_validation(scores: Mapping[str, Any]) -> str:
    name = metric_words(scores["primary"])
    sentence = (
        f"{_capital(name)} is {scores['mean']:.4f} on average over {len(scores['folds'])} folds (standard "
        f"deviation {scores['std']:.4f}); a constant answer reaches {scores['baseline']:.4f}."
    )
    chart = folds_chart(scores["folds"], scores["mean"], scores["baseline"], sentence)
    return f"<h3>Cross-validation</h3><p>{escape(sentence)}</p><figure>{chart}</figure>"


def _data(page: Page) -> str:
    rows, batches = page.validation["rows"], page.validation["batches"]
    shares = [(status, rows.get(status, 0)) for status in _STATUSES]
    keys = "".join(f'<span class="key part-{status}">{status} {count:,}</span>' for status, count in shares if count)
    words = ", ".join(f"{count:,} {status}" for status, count in shares if count) or "none"
    bar = share_bar(shares, f"Rows that landed: {words}")
    total = f"<p>{rows.get('total', 0):,} rows landed in {len(batches):,} {'batch' if len(batches) == 1 else 'batches'}.</p>"
    notable = sorted(batches, key=lambda batch: (batch["status"] == "admitted", batch["batch"]))
    table = [
        [
            f'<th scope="row"><code>{escape(batch["batch"])}</code></th>',
            _cell(batch["role"]),
            _status(batch["status"]),
            f'<td class="number">{batch["n_rows"]:,}</td>',
            f'<td class="number">{batch["rows"].get("admitted", 0):,}</td>',
            f"<td>{_reasons(batch['reasons'])}</td>",
        ]
        for batch in notable[:_MOST_BATCHES]
    ]
    more = len(notable) - _MOST_BATCHES
    rest = f'<p class="fine">And {more:,} more batches.</p>' if more > 0 else ""
    heads = ["batch", "role", "status", "rows", "admitted", "reasons"]
    return f'{total}{bar}<p class="legend">{keys}</p>' + _table("Batches", heads, table, "batches") + rest


def _status(status: str) -> str:
    mark = {"admitted": "pass", "partial": "unsure"}.get(status, "fail")
    return f'<td><span class="mark {mark}">{escape(status)}</span></td>'


def _reasons(reasons: Sequence[Mapping[str, Any]]) -> str:
    if not reasons:
        return '<span class="none">none</span>'
    items = "".join(
        f"<li>{escape(str(one['reason']))}"
        + (f' <span class="unit">{one["n_rows"]:,} rows</span>' if one.get("n_rows") else "")
        + "</li>"
        for one in reasons
    )
    return f'<ul class="reasons">{items}</ul>'


def _notes(page: Page) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in page.metrics["notes"])
    return f"<ul>{items}</ul>" if items else ""


def _identities(page: Page) -> str:
    entries = "".join(
        f"<div><dt>{name}</dt><dd><code>{escape(page.metrics[f'{role}_sha256'] or 'none yet')}</code></dd></div>"
        for role, name in _ROLE_NAMES.items()
    )
    return f"<h2>What was compared</h2><p>A model's identity is the SHA-256 of its weights.</p><dl>{entries}</dl>"


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], css_class: str) -> str:
    numeric = {"precision", "recall", "records", "rows", "admitted", "F1 against champion"}
    head = "".join(f'<th scope="col"{" class=number" if one in numeric else ""}>{escape(one)}</th>' for one in heads)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{css_class}"><caption class="hidden">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(text: str, *, header: bool = False) -> str:
    return f'<th scope="row">{escape(text)}</th>' if header else f"<td>{escape(text)}</td>"


def _number(value: float, *, is_best: bool = False) -> str:
    return f'<td class="number">{f"<strong>{figure(value)}</strong>" if is_best else figure(value)}</td>'


def _meter(share: float) -> str:
    return (
        f'<td class="meter"><span class="track" aria-hidden="true"><span style="width:{100 * share:.1f}%"></span></span>'
        f"{figure(share)}</td>"
    )


def _change(gain: float) -> str:
    shown = signed(gain)
    if not any(digit in shown for digit in "123456789"):
        return '<td class="number none">0</td>'
    return f'<td class="number {"better" if gain > 0 else "worse"}">{shown}</td>'


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
