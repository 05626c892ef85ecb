from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    mean_absolute_error,
    root_mean_squared_error,
)
from torch import nn

from gristmill.training.objective import ObjectiveError, better, objective_for
from gristmill.training.settings import TrainSettings

CLASSES = {"task": "classification", "classes": ["a", "b", "c"]}
NUMBER = {"task": "regression"}


def objective(contract: dict[str, Any], target: torch.Tensor, **settings: Any) -> Any:
    return objective_for(contract, TrainSettings.model_validate(settings), target)


def answers(n: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.multinomial(torch.tensor([0.7, 0.2, 0.1]), n, replacement=True, generator=generator)
    return torch.randn(n, 3, generator=generator) + nn.functional.one_hot(target, 3), target


def test_figures_of_a_classification_are_scikit_learns_whatever_the_batches() -> None:
    logits, target = answers()
    one = objective(CLASSES, target)
    tally = one.tally(logits[:150], target[:150]) + one.tally(logits[150:], target[150:])
    predicted = logits.argmax(1)
    expected = {
        "loss": log_loss(target, logits.softmax(1).double() / logits.softmax(1).double().sum(1, keepdim=True)),
        "accuracy": accuracy_score(target, predicted),
        "balanced_accuracy": balanced_accuracy_score(target, predicted),
    }
    assert one.figures(tally) == pytest.approx(expected, rel=1e-5)


def test_a_class_that_does_not_occur_does_not_lower_the_balanced_accuracy() -> None:
    target = torch.tensor([0, 0, 1])
    logits = nn.functional.one_hot(target, 3).float()
    one = objective(CLASSES, target)
    assert one.figures(one.tally(logits, target))["balanced_accuracy"] == 1


def test_balanced_classes_weigh_alike_in_the_loss() -> None:
    target = torch.tensor([0] * 90 + [1] * 9 + [2])
    one = objective(CLASSES, target, class_weights="balanced")
    share_C = torch.stack([one.weight_C[target][target == c].sum() for c in range(3)]) / len(target)
    torch.testing.assert_close(share_C, torch.full((3,), 1 / 3))


def test_the_losses_of_equal_shares_average_to_the_loss_of_the_batch() -> None:
    logits, target = answers(64)
    one = objective(CLASSES, target, class_weights="balanced", label_smoothing=0.1)
    halves = (one.loss(logits[:32], target[:32]) + one.loss(logits[32:], target[32:])) / 2
    torch.testing.assert_close(one.loss(logits, target), halves)


def test_label_smoothing_asks_for_less_certainty() -> None:
    target = torch.tensor([0, 1, 2])
    certain = 50.0 * nn.functional.one_hot(target, 3).float()
    assert objective(CLASSES, target).loss(certain, target) < 1e-6
    assert objective(CLASSES, target, label_smoothing=0.1).loss(certain, target) > 1


def test_the_baseline_is_the_most_frequent_class() -> None:
    _, target = answers()
    baseline = objective(CLASSES, target).baseline(target)
    assert baseline["accuracy"] == pytest.approx(float((target == 0).double().mean()))
    assert baseline["balanced_accuracy"] == pytest.approx(1 / 3)


def test_figures_of_a_regression_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(1000, 50, 300).astype(np.float32)
    output = (target + rng.normal(0, 20, 300)).astype(np.float32)
    one = objective(NUMBER, torch.tensor(target), primary="mae")
    figures = one.figures(one.tally(torch.tensor(output), torch.tensor(target)))
    assert figures["mae"] == pytest.approx(mean_absolute_error(target, output), rel=1e-5)
    assert figures["rmse"] == pytest.approx(root_mean_squared_error(target, output), rel=1e-5)


@pytest.mark.parametrize("loss", ["huber", "mse"])
def test_the_loss_of_a_regression_does_not_depend_on_its_units(loss: str) -> None:
    target = torch.tensor([1.0, 2.0, 4.0, 9.0])
    losses = [
        objective(NUMBER, unit * target, primary="mae", regression_loss=loss).loss(unit * (target + 1), unit * target)
        for unit in (1, 1000)
    ]
    torch.testing.assert_close(losses[0], losses[1])


def test_huber_is_led_less_astray_by_an_outlier_than_the_squared_error() -> None:
    target = torch.tensor([0.0, 0.1, 0.2, 0.3])
    wild = target.clone()
    wild[0] = 100
    huber, mse = (objective(NUMBER, target, primary="mae", regression_loss=one) for one in ("huber", "mse"))
    assert huber.loss(wild, target) < 0.01 * mse.loss(wild, target)


def test_a_regression_begins_at_the_mean_and_speaks_in_the_targets_units() -> None:
    target = torch.tensor([100.0, 200.0, 300.0])
    silent = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(silent.weight)
    model = objective(NUMBER, target, primary="mae").head(nn.Sequential(silent, nn.Flatten(0)))
    torch.testing.assert_close(model(torch.ones(2, 1)), torch.full((2,), 200.0))
    assert objective(NUMBER, target, primary="mae").baseline(target)["mae"] == pytest.approx(200 / 3)


def test_a_figure_of_another_task_is_refused_with_those_that_fit() -> None:
    with pytest.raises(ObjectiveError, match=r"train\.primary is 'accuracy'.*loss, mae, rmse"):
        objective(NUMBER, torch.zeros(3))


def test_low_losses_and_high_accuracies_are_better_and_an_equal_is_not() -> None:
    assert better("accuracy", 0.9, 0.8)
    assert not better("accuracy", 0.8, 0.8)
    assert better("loss", 0.1, 0.2)
    assert better("mae", 5.0, None)
    assert not better("rmse", 0.3, 0.2)
