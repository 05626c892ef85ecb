"""What a training minimises, and the figures by which its epochs are compared."""

# B rows, C classes
import math
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from gristmill.ground.errors import GristmillError
from gristmill.training.settings import TrainSettings

_LOWER_IS_BETTER = {"loss", "mae", "rmse"}


class ObjectiveError(GristmillError):
    """A setting that does not fit the task."""


class Objective(Protocol):
    """Loss and figures of a task."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean over rows that is minimised; equal shares of a batch average to the loss of the batch."""

    def tally(self, output: Tensor, target: Tensor) -> Tensor:
        """Sums over rows (float64) from which `figures` are made; those of several batches may be added."""

    def figures(self, tally: Tensor) -> dict[str, float]:
        """Loss and scores by name; the one that a curve shows beside the loss comes next after it."""

    def baseline(self, target: Tensor) -> dict[str, float]:
        """The figures of a constant answer: the most frequent class, or the mean."""

    def head(self, network: nn.Module) -> nn.Module:
        """The network with what its task adds after it."""


def objective_for(contract: dict[str, Any], settings: TrainSettings, target: Tensor) -> Objective:
    """The objective of the contract's task; class weights are counted on the training targets.

    Raises:
        ObjectiveError: the primary figure is not one of the task's.
    """
    known: dict[str, type[Classification] | type[Regression]] = {
        "classification": Classification,
        "regression": Regression,
    }
    task = known[contract["task"]]
    if settings.primary not in task.names:
        raise ObjectiveError(
            f"train.primary is '{settings.primary}', which a {contract['task']} does not have: choose one of "
            f"{', '.join(task.names)}."
        )
    if task is Regression:
        return Regression(settings, target)
    return Classification(settings, len(contract["classes"]), target)


def better(figure: str, value: float, than: float | None) -> bool:
    """Whether a value of the figure beats another; nothing beats an equal."""
    if than is None:
        return True
    return value < than if figure in _LOWER_IS_BETTER else value > than


class Classification:
    """Cross-entropy; accuracy, and balanced accuracy: the mean recall of the classes that occur."""

    names = ("loss", "accuracy", "balanced_accuracy")

    def __init__(self, settings: TrainSettings, n_classes: int, target: Tensor) -> None:
        self.n_classes = n_classes
        self.smoothing = settings.label_smoothing
        self.weight_C: Tensor | None = None
        if settings.class_weights == "balanced":
            count_C = torch.bincount(target, minlength=n_classes).clamp_min(1)
            self.weight_C = (len(target) / (n_classes * count_C)).float()  # mean 1 over the rows

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        loss_B = functional.cross_entropy(output.float(), target, label_smoothing=self.smoothing, reduction="none")
        # not cross_entropy's own weight: it divides by the weights of the batch, which differ between shares
        return (loss_B if self.weight_C is None else loss_B * self.weight_C[target]).mean()

    def tally(self, output: Tensor, target: Tensor) -> Tensor:
        hit_B = (output.argmax(1) == target).double()
        one_hot_BC = functional.one_hot(target, self.n_classes).double()
        loss = functional.cross_entropy(output.double(), target, reduction="sum")
        return torch.cat([loss[None], hit_B @ one_hot_BC, one_hot_BC.sum(0)])

    def figures(self, tally: Tensor) -> dict[str, float]:
        loss, hit_C, count_C = tally[0], tally[1 : self.n_classes + 1], tally[self.n_classes + 1 :]
        n_rows = count_C.sum()
        occurs_C = count_C > 0
        return {
            "loss": float(loss / n_rows),
            "accuracy": float(hit_C.sum() / n_rows),
            "balanced_accuracy": float((hit_C[occurs_C] / count_C[occurs_C]).mean()),
        }

    def baseline(self, target: Tensor) -> dict[str, float]:
        count_C = torch.bincount(target, minlength=self.n_classes).double()
        share_C = count_C / count_C.sum()
        return {
            "loss": float(-(share_C * share_C.clamp_min(1e-12).log()).sum()),
            "accuracy": float(share_C.max()),
            "balanced_accuracy": 1 / int((count_C > 0).sum()),
        }

    def head(self, network: nn.Module) -> nn.Module:
        return network


class Regression:
    """Huber or squared error, in standard deviations of the training target; mean absolute error and root mean squared
    error, in the target's own units."""

    names = ("loss", "mae", "rmse")

    def __init__(self, settings: TrainSettings, target: Tensor) -> None:
        self.kind = settings.regression_loss
        self.shift = float(target.double().mean())
        self.scale = float(target.double().std(correction=0)) or 1.0

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self._loss(output.float(), target.float(), "mean")

    def tally(self, output: Tensor, target: Tensor) -> Tensor:
        error_B = output.double() - target.double()
        loss = self._loss(output.double(), target.double(), "sum")
        return torch.stack([loss, error_B.abs().sum(), error_B.square().sum(), torch.tensor(len(target)).to(loss)])

    def figures(self, tally: Tensor) -> dict[str, float]:
        loss, absolute, squared, n_rows = tally.tolist()
        return {"loss": loss / n_rows, "mae": absolute / n_rows, "rmse": math.sqrt(squared / n_rows)}

    def baseline(self, target: Tensor) -> dict[str, float]:
        return self.figures(self.tally(torch.full_like(target, float(target.double().mean())), target))

    def head(self, network: nn.Module) -> nn.Module:
        return InUnitsOfTarget(network, self.shift, self.scale)

    def _loss(self, output: Tensor, target: Tensor, reduction: str) -> Tensor:
        output, target = output / self.scale, target / self.scale
        if self.kind == "mse":
            return functional.mse_loss(output, target, reduction=reduction)
        return functional.huber_loss(output, target, reduction=reduction)


class InUnitsOfTarget(nn.Module):
    """A network that works in standard deviations, and answers in the target's units: prices or degrees, one recipe."""

    shift: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, shift: float, scale: float) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("shift", torch.tensor(shift))
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, *inputs: Tensor) -> Tensor:
        output: Tensor = self.network(*inputs)
        return output * self.scale + self.shift
