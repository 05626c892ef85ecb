"""How the training went: curves over epochs, and the folds of a cross-validation."""

from collections.abc import Mapping
from html import escape
from typing import Any

from gristmill.evaluation.report.charts import curves_chart, folds_chart
from gristmill.evaluation.report.contents import Page
from gristmill.evaluation.report.html import capital
from gristmill.evaluation.words import metric_words


def training_section(page: Page) -> str:
    """A curve for each figure, and the folds."""
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
        charts.append(f"<figure><h3>{escape(capital(words))}</h3>{chart}</figure>")
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
        f"{capital(name)} is {scores['mean']:.4f} on average over {len(scores['folds'])} folds (standard "
        f"deviation {scores['std']:.4f}); a constant answer reaches {scores['baseline']:.4f}."
    )
    chart = folds_chart(scores["folds"], scores["mean"], scores["baseline"], sentence)
    return f"<h3>Cross-validation</h3><p>{escape(sentence)}</p><figure>{chart}</figure>"
