"""How well the recipe does on records it has not seen, when there are too few for one split to say.

Each fold repeats what the real training does, down to the choice of the epoch on a part of the training records: the fold
that is scored chooses nothing.
"""

# K folds
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gristmill.training.fit import Fitted, tally_of
from gristmill.training.objective import Objective
from gristmill.training.prepared import Split

_CHOOSING = 8
"""One row in so many of a fold's training rows chooses the epoch."""


def cross_validate(
    records: Split, n_folds: int, seed: int, primary: str, fit_rows: Callable[[Split, Split], tuple[Fitted, Objective]]
) -> dict[str, Any]:
    """Score a recipe on each fold in turn.

    Args:
        fit_rows: trains on the first split and chooses the epoch on the second.

    Returns:
        primary, folds (one value each), mean, std (of the folds, n - 1) and baseline (the majority class, or the mean).
    """
    fold_of = stratified_folds(records.target, n_folds, seed)
    scores, baselines = [], []
    for fold in range(n_folds):
        rest = records.rows((fold_of != fold).nonzero().squeeze(1))
        choosing = stratified_folds(rest.target, _CHOOSING, seed + 1 + fold) == 0
        fitted, objective = fit_rows(rest.rows(~choosing), rest.rows(choosing))
        scored = records.rows((fold_of == fold).nonzero().squeeze(1))
        scores.append(objective.figures(tally_of(fitted.model, objective, scored))[primary])
        baselines.append(objective.baseline(scored.target)[primary])
    values = torch.tensor(scores, dtype=torch.float64)
    return {
        "primary": primary,
        "folds": scores,
        "mean": float(values.mean()),
        "std": float(values.std()),
        "baseline": sum(baselines) / n_folds,
    }


def stratified_folds(target: Tensor, n_folds: int, seed: int) -> Tensor:
    """The fold of each row; each class (for numbers: each stretch of their order) is spread evenly over the folds."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(target), generator=generator)
    by_class = shuffled[torch.argsort(target[shuffled], stable=True)]
    fold_of = torch.empty(len(target), dtype=torch.int64)
    fold_of[by_class] = torch.arange(len(target)) % n_folds
    return fold_of
