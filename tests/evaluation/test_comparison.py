"""The interval means what it says: coverage and error rates are counted over many synthetic evaluations."""

import time
from typing import Any

import numpy as np
import pytest

from gristmill.evaluation.comparison import Difference, Resampling, compare, interval_of, point_value
from gristmill.evaluation.metrics import Metric, higher_is_better

SURE = Resampling(confidence=0.95, resamples=1000, seed=0)


def one_hot(predicted: np.ndarray, n_classes: int = 2) -> np.ndarray:
    return np.asarray(np.eye(n_classes)[predicted], np.float32)


def evaluation(n: int, loses: float, wins: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, and the answers of two models of which the first alone is wrong (right) on a share of all records."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    case = rng.choice(4, n, p=[loses, wins, 0.2, 0.8 - loses - wins])  # 2: both wrong, 3: both right
    first = np.where((case == 1) | (case == 3), target, 1 - target)
    second = np.where((case == 0) | (case == 3), target, 1 - target)
    return target, one_hot(first), one_hot(second)


def repeated(n: int, loses: float, wins: float, metric: Metric, trials: int) -> list[Difference]:
    resampling = [Resampling(0.95, 500, seed) for seed in range(trials)]
    return [compare(metric, *evaluation(n, loses, wins, one.seed), one) for one in resampling]


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_the_interval_holds_the_true_difference_in_95_of_100_evaluations(metric: Metric) -> None:
    differences = repeated(400, loses=0.08, wins=0.05, metric=metric, trials=400)
    covered = np.mean([one.interval.lower <= -0.03 <= one.interval.upper for one in differences])
    assert 0.92 <= covered <= 0.985  # 0.95 give or take three standard errors


@pytest.mark.parametrize(
    ("n", "loses", "wins"),
    [
        pytest.param(400, 0.08, 0.05, id="losses and gains"),
        pytest.param(200, 0.05, 0.0, id="every disagreement is a loss: a plain bootstrap promotes 4.5 %"),
        pytest.param(60, 0.05, 0.0, id="the same with few records: a plain bootstrap promotes 4.8 %"),
    ],
)
def test_a_model_that_is_worse_by_exactly_the_margin_passes_in_at_most_one_of_forty_evaluations(
    n: int, loses: float, wins: float
) -> None:
    margin = loses - wins
    passed = np.mean([one.interval.lower >= -margin for one in repeated(n, loses, wins, "accuracy", 600)])
    assert passed <= 0.025 + 0.013  # two standard errors


def test_few_records_on_which_two_models_agree_prove_little() -> None:
    target = np.arange(30) % 2
    few = compare("accuracy", target, one_hot(target), one_hot(target), SURE)
    assert few.gain == 0
    assert -0.2 < few.interval.lower < -0.08  # that no disagreement was seen bounds the loss at 3.7 / 30
    many = np.arange(10_000) % 2
    assert compare("accuracy", many, one_hot(many), one_hot(many), SURE).interval.half_width < 0.001


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro"])
def test_drawing_cells_is_drawing_records(metric: Metric) -> None:
    rng = np.random.default_rng(3)
    target = rng.choice(3, 2000, p=[0.6, 0.3, 0.1])
    first, second = (np.where(rng.random(2000) < p, target, rng.integers(0, 3, 2000)) for p in (0.8, 0.75))
    ours = compare(metric, target, one_hot(first, 3), one_hot(second, 3), Resampling(0.95, 4000, 0)).interval
    gains = []
    for _ in range(400):
        drawn = rng.integers(0, 2000, 2000)
        values = [point_value(metric, target[drawn], one_hot(model[drawn], 3)) for model in (first, second)]
        gains.append(values[0] - values[1])
    width = ours.upper - ours.lower
    assert np.quantile(gains, [0.025, 0.975]) == pytest.approx([ours.lower, ours.upper], abs=0.12 * width)


def numbers(metric: Metric) -> tuple[Any, Any, Any]:
    """Targets and the answers of a good and a bad model."""
    rng = np.random.default_rng(5)
    if metric == "log_loss":
        label = rng.integers(0, 2, 800)
        sure, unsure = (np.where(label == 1, p, 1 - p) for p in (rng.uniform(0.5, 1, 800), rng.uniform(0.3, 0.9, 800)))
        return label, np.stack([1 - sure, sure], 1), np.stack([1 - unsure, unsure], 1)
    target = rng.normal(10, 3, 800)
    return target, target + rng.normal(0, 1, 800), target + rng.normal(0, 1.5, 800)


@pytest.mark.parametrize("metric", ["log_loss", "mae", "rmse", "r2"])
def test_a_positive_gain_is_a_better_model_for_every_metric(metric: Metric) -> None:
    target, good, bad = numbers(metric)
    difference = compare(metric, target, good, bad, SURE)
    assert difference.gain > difference.interval.lower > 0
    assert (difference.value > difference.other) == higher_is_better(metric)
    assert compare(metric, target, bad, good, SURE).interval.upper < 0


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "log_loss"])
def test_the_interval_of_a_single_model_surrounds_its_value(metric: Metric) -> None:
    target, first, _ = evaluation(500, 0.1, 0.1, 0)
    interval = interval_of(metric, target, first, SURE)
    assert interval.lower < point_value(metric, target, first) < interval.upper


def test_a_model_without_a_mistake_is_not_surely_perfect() -> None:
    target = np.arange(40) % 2
    assert interval_of("accuracy", target, one_hot(target), SURE).lower < 0.95


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    target, first, second = evaluation(500, 0.1, 0.1, 0)
    assert compare("accuracy", target, first, second, SURE) == compare("accuracy", target, first, second, SURE)
    other = Resampling(0.95, 1000, 1)
    assert compare("f1_macro", target, first, second, SURE) != compare("f1_macro", target, first, second, other)


def test_records_of_a_single_class_are_compared_too() -> None:
    target = np.zeros(50, np.int64)
    difference = compare("balanced_accuracy", target, one_hot(target), one_hot(target), SURE)
    assert difference.interval.lower < difference.gain == 0 < difference.interval.upper


def test_ten_thousand_records_and_ten_thousand_resamples_take_a_second() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 10, 10_000)
    first, second = (
        one_hot(np.where(rng.random(10_000) < 0.9, target, rng.integers(0, 10, 10_000)), 10) for _ in range(2)
    )
    began = time.process_time()
    compare("accuracy", target, first, second, Resampling(0.95, 10_000, 0))
    assert time.process_time() - began < 1.5  # 0.35 s where it was measured
