"""How far the answers of a regression lie from the truth, and whether they lie to one side of it.

Records are counted in cells, not drawn one by one: a page of a million records is no larger than one of a thousand, and
shows no single one of them.
"""

import numpy as np
from numpy.typing import NDArray

from gristmill.evaluation.report.charts import density_chart, histogram_chart
from gristmill.evaluation.report.contents import Page
from gristmill.evaluation.words import figure, signed

_CELLS = 32
_MOST_BARS = 41


def residuals_section(page: Page) -> str:
    """Answers against the truth, and the errors by size; empty for a classification."""
    if page.metrics["task"] != "regression" or not page.holdout.record_ids:
        return ""
    target = np.asarray(page.holdout.target, np.float64)
    answer = np.asarray(page.holdout.answers["challenger"], np.float64)
    error = answer - target
    half, most = (float(value) for value in np.quantile(np.abs(error), (0.5, 0.95)))
    middle = float(np.median(error))
    sentence = (
        f"Half of the challenger's answers lie within {figure(half)} of the truth, 95 of 100 within {figure(most)}. "
        f"The median error is {signed(middle)}."
    )
    low, high = _ends(np.concatenate([target, answer]))
    counts, _, _ = np.histogram2d(target, answer, bins=_CELLS, range=((low, high), (low, high)))
    reach = float(np.quantile(np.abs(error), 0.995)) or 1.0
    n_bars = min(_MOST_BARS, 2 * round(len(error) ** 0.5 / 2) + 1)  # odd, so that one of them is around zero
    bars, _ = np.histogram(np.clip(error, -reach, reach), bins=n_bars, range=(-reach, reach))
    density = density_chart(
        counts.tolist(), low, high, f"Answers against the truth, {len(target):,} records. {sentence}"
    )
    histogram = histogram_chart(bars.tolist(), reach, f"Errors by size, from {-reach:.4g} to {reach:.4g}. {sentence}")
    return (
        f'<p>{sentence}</p><div class="charts">'
        f"<figure><h3>Answer against truth</h3>{density}"
        "<figcaption>On the line the answer is the truth.</figcaption></figure>"
        f"<figure><h3>Errors</h3>{histogram}<figcaption>Answer minus truth; what lies further out is counted in the last "
        "bar.</figcaption></figure></div>"
    )


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low - 1.0, high + 1.0)
