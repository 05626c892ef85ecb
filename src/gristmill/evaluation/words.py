"""How metrics are called, and how their values are written, in sentences and on the page."""

_SPECIAL = {
    "precision_macro": "macro precision",
    "recall_macro": "macro recall",
    "f1_macro": "macro F1",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
}


def metric_words(metric: str) -> str:
    """The metric's name in plain words."""
    return _SPECIAL.get(metric, metric.replace("_", " "))


def figure(value: float) -> str:
    """Four decimals for what lies near 1, fewer for what is large."""
    if abs(value) < 10:
        return f"{value:.4f}"
    return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"


def signed(value: float) -> str:
    """The same, with its sign."""
    return ("+" if value >= 0 else "-") + figure(abs(value))
