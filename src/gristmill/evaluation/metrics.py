"""How good a model's answers are, computed with numpy alone and tested against scikit-learn.

Averages over classes are macro averages: each class that occurs counts alike, however many records it has. A class occurs
when a record has it as its target or as its prediction; balanced accuracy counts only classes that are some record's
target. A ratio whose denominator is 0 is 0. Every count is an integer until the last division, so that a figure does not
depend on the order of the records.
"""

# N records, C classes; `...` any leading axes, such as resamples
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

Metric = Literal[
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "log_loss",
    "mae",
    "rmse",
    "r2",
]

COUNTED: tuple[Metric, ...] = ("accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro")
"""Metrics that depend on nothing but which class was answered for which record."""

METRICS: Mapping[str, tuple[Metric, ...]] = {
    "classification": (*COUNTED, "log_loss"),
    "regression": ("mae", "rmse", "r2"),
}
"""The metrics of each task."""

_LOWER_IS_BETTER = ("log_loss", "mae", "rmse")
_SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)


def higher_is_better(metric: Metric) -> bool:
    """Whether a model with a greater value is the better one."""
    return metric not in _LOWER_IS_BETTER


def classification_metrics(target_N: Ints, probabilities_NC: Floats, classes: Sequence[str]) -> dict[str, Any]:
    """Every figure of a classifier.

    Args:
        target_N: class index of each record.
        probabilities_NC: a row may sum to less than 1, where a model knows a class that no longer exists.
        classes: names, in the order of the columns.

    Returns:
        accuracy, balanced_accuracy, precision_macro, recall_macro, f1_macro, log_loss (nats); per_class: name to
        precision, recall, f1 and support; confusion: rows are targets, columns are predictions.
    """
    confusion_CC = confusion(target_N, probabilities_NC.argmax(1), len(classes))
    right_C, actual_C, predicted_C = confusion_CC.diagonal(), confusion_CC.sum(1), confusion_CC.sum(0)
    precision_C, recall_C, f1_C = _ratios(right_C, actual_C, predicted_C)
    return {
        **{metric: float(counted(metric, right_C, actual_C, predicted_C)) for metric in COUNTED},
        "log_loss": math.fsum(record_losses(target_N, probabilities_NC)) / len(target_N),
        "per_class": {
            name: {
                "precision": float(precision_C[index]),
                "recall": float(recall_C[index]),
                "f1": float(f1_C[index]),
                "support": int(actual_C[index]),
            }
            for index, name in enumerate(classes)
        },
        "confusion": confusion_CC.tolist(),
    }


def regression_metrics(target_N: Floats, prediction_N: Floats) -> dict[str, float]:
    """mae and rmse in the target's unit; r2, which for targets that are all equal is 1 if each is met and 0 if not."""
    target_N = target_N.astype(np.float64)
    error_N = prediction_N - target_N
    squared = math.fsum(error_N**2)
    spread = math.fsum((target_N - math.fsum(target_N) / len(target_N)) ** 2)
    return {
        "mae": math.fsum(np.abs(error_N)) / len(target_N),
        "rmse": math.sqrt(squared / len(target_N)),
        "r2": 1 - squared / spread if spread else float(squared == 0),
    }


def confusion(target_N: Ints, predicted_N: Ints, n_classes: int) -> NDArray[np.int64]:
    """Counts of records, [C, C]: rows are targets, columns are predictions."""
    cells = np.bincount(target_N * n_classes + predicted_N, minlength=n_classes * n_classes)
    return cells.reshape(n_classes, n_classes).astype(np.int64)


def counted(metric: Metric, right_C: Any, actual_C: Any, predicted_C: Any) -> Any:
    """One of the `COUNTED` metrics, for any number of leading axes.

    Args:
        right_C: records answered rightly, by class, [..., C].
        actual_C: records that have the class, [..., C].
        predicted_C: records that were given the class, [..., C].

    Returns:
        The metric, [...].
    """
    if metric == "accuracy":
        return right_C.sum(-1) / actual_C.sum(-1)
    precision_C, recall_C, f1_C = _ratios(right_C, actual_C, predicted_C)
    if metric == "balanced_accuracy":
        return recall_C.sum(-1) / (actual_C > 0).sum(-1)
    value_C = {"precision_macro": precision_C, "recall_macro": recall_C, "f1_macro": f1_C}[metric]
    return value_C.sum(-1) / (actual_C + predicted_C > 0).sum(-1)


def record_losses(target_N: Ints, probabilities_NC: Floats) -> NDArray[np.float64]:
    """-log(p) of the target's class for each record; p is cut off at the resolution of float32, so it is finite."""
    p_N = probabilities_NC[np.arange(len(target_N)), target_N].astype(np.float64)
    return -np.log(np.clip(p_N, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY))


def _ratios(right_C: Any, actual_C: Any, predicted_C: Any) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of each class, [..., C]."""
    return (
        right_C / np.maximum(predicted_C, 1e-300),
        right_C / np.maximum(actual_C, 1e-300),
        2 * right_C / np.maximum(actual_C + predicted_C, 1e-300),
    )
