"""Every figure agrees with scikit-learn's, and the corner cases have a defined value."""

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from gristmill.evaluation.metrics import (
    COUNTED,
    METRICS,
    classification_metrics,
    counted,
    higher_is_better,
    regression_metrics,
)

CLASSES = ["a", "b", "c", "d"]


@pytest.fixture
def target() -> np.ndarray:
    return np.random.default_rng(0).choice(4, 300, p=[0.5, 0.3, 0.15, 0.05])


@pytest.fixture
def probabilities(target: np.ndarray) -> np.ndarray:
    logits = np.random.default_rng(1).normal(size=(300, 4))
    logits[np.arange(300), target] += 1
    return np.asarray(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), np.float32)


def test_every_classification_figure_is_scikit_learns(target: np.ndarray, probabilities: np.ndarray) -> None:
    ours, predicted = classification_metrics(target, probabilities, CLASSES), probabilities.argmax(1)
    precision, recall, f1, _ = sk.precision_recall_fscore_support(target, predicted, average="macro")
    assert ours["accuracy"] == pytest.approx(sk.accuracy_score(target, predicted))
    assert ours["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(target, predicted))
    assert ours["precision_macro"] == pytest.approx(precision)
    assert ours["recall_macro"] == pytest.approx(recall)
    assert ours["f1_macro"] == pytest.approx(f1)
    normalised = probabilities.astype(np.float64) / probabilities.sum(1, keepdims=True, dtype=np.float64)
    assert ours["log_loss"] == pytest.approx(sk.log_loss(target, normalised), rel=1e-6)
    assert ours["confusion"] == sk.confusion_matrix(target, predicted).tolist()
    by_class = zip(CLASSES, *sk.precision_recall_fscore_support(target, predicted), strict=True)
    for name, class_precision, class_recall, class_f1, support in by_class:
        expected = {"precision": class_precision, "recall": class_recall, "f1": class_f1, "support": support}
        assert ours["per_class"][name] == pytest.approx(expected)


def test_a_class_without_records_counts_only_where_it_was_predicted() -> None:
    target, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    ours = classification_metrics(target, np.eye(4, dtype=np.float32)[predicted], CLASSES)
    assert ours["balanced_accuracy"] == pytest.approx(0.75)  # of the classes that are targets
    for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
        assert ours[f"{name}_macro"] == pytest.approx(score(target, predicted, average="macro", zero_division=0))
    assert ours["per_class"]["d"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


def test_a_probability_of_zero_for_the_truth_is_a_finite_loss() -> None:
    ours = classification_metrics(np.array([1]), np.array([[1, 0]], np.float32), ["a", "b"])
    assert ours["log_loss"] == pytest.approx(-math.log(np.finfo(np.float32).eps))


def test_figures_do_not_depend_on_the_order_of_the_records(target: np.ndarray, probabilities: np.ndarray) -> None:
    order = np.random.default_rng(2).permutation(300)
    shuffled = classification_metrics(target[order], probabilities[order], CLASSES)
    assert shuffled == classification_metrics(target, probabilities, CLASSES)


def test_many_resamples_are_scored_as_each_alone() -> None:
    right = np.array([[3, 1], [0, 5]])
    actual, predicted = np.array([[4, 2], [1, 5]]), np.array([[4, 2], [0, 6]])
    for metric in COUNTED:
        together = counted(metric, right, actual, predicted)
        assert together.tolist() == [counted(metric, right[i], actual[i], predicted[i]) for i in range(2)]


def test_every_regression_figure_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(50, 10, 200).astype(np.float32)
    prediction = (target + rng.normal(0, 3, 200)).astype(np.float32)
    assert regression_metrics(target, prediction) == pytest.approx(
        {
            "mae": sk.mean_absolute_error(target, prediction),
            "rmse": sk.root_mean_squared_error(target, prediction),
            "r2": sk.r2_score(target, prediction),
        },
        rel=1e-5,
    )


@pytest.mark.parametrize(("prediction", "r2"), [([2.0, 2.0], 1.0), ([2.0, 3.0], 0.0)])
def test_r2_of_a_constant_target_is_defined(prediction: list[float], r2: float) -> None:
    assert regression_metrics(np.array([2.0, 2.0]), np.array(prediction))["r2"] == r2


def test_losses_and_errors_are_better_when_lower() -> None:
    lower = [metric for task in METRICS.values() for metric in task if not higher_is_better(metric)]
    assert lower == ["log_loss", "mae", "rmse"]
