import pytest
import torch
from torch import nn

from gristmill.training.cross_validation import cross_validate, stratified_folds
from gristmill.training.fit import Fitted
from gristmill.training.objective import Objective, objective_for
from gristmill.training.prepared import Split
from gristmill.training.settings import TrainSettings

CONTRACT = {"task": "classification", "classes": ["a", "b"]}


def records(n: int = 100) -> Split:
    return Split({"row": torch.arange(n).float()[:, None]}, (torch.arange(n) % 10 < 3).long())


def test_every_fold_has_its_part_of_every_class() -> None:
    target = records().target
    fold_of = stratified_folds(target, 5, seed=0)
    assert torch.bincount(fold_of).tolist() == [20] * 5
    assert [int(target[fold_of == fold].sum()) for fold in range(5)] == [6] * 5


def test_folds_depend_on_the_seed_alone() -> None:
    target = records().target
    assert torch.equal(stratified_folds(target, 5, 1), stratified_folds(target, 5, 1))
    assert not torch.equal(stratified_folds(target, 5, 1), stratified_folds(target, 5, 2))


def test_the_fold_that_is_scored_neither_trains_nor_chooses_and_each_record_is_scored_once() -> None:
    seen: list[set[float]] = []
    scored: list[float] = []

    class Watching(nn.Module):
        def forward(self, row: torch.Tensor) -> torch.Tensor:
            scored.extend(row[:, 0].tolist())
            assert not seen[-1] & set(row[:, 0].tolist())
            return torch.tensor([[0.0, 1.0]]).expand(len(row), 2)

    def fit_rows(train: Split, validation: Split) -> tuple[Fitted, Objective]:
        parts = [set(part.inputs["row"][:, 0].tolist()) for part in (train, validation)]
        assert parts[0]
        assert parts[1]
        assert not parts[0] & parts[1]
        seen.append(parts[0] | parts[1])
        assert len(seen[-1]) == 80
        return Fitted(Watching(), 1, []), objective_for(CONTRACT, TrainSettings(), train.target)

    result = cross_validate(records(), 5, 0, "balanced_accuracy", fit_rows)
    assert sorted(scored) == list(range(100))
    assert result["folds"] == [0.5] * 5  # one class answered always
    assert result["baseline"] == 0.5
    assert (result["mean"], result["std"]) == (pytest.approx(0.5), pytest.approx(0.0))
