"""The loop: whole splits in memory, a batch is `X[index]`, and each step is a pure function of seed, epoch and step.

Order, augmentation, dropout and learning rate are all drawn from (seed, epoch, step). So a checkpoint needs no state of a
sampler, a schedule or a generator, and a training resumed in the middle of an epoch ends with the same bits (tested).
The weights of the best epoch are kept, by the primary figure on the validation records.
"""

import copy
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gristmill.ground.errors import GristmillError
from gristmill.training.checkpoints import Checkpoint
from gristmill.training.devices import autocast
from gristmill.training.objective import Objective, better
from gristmill.training.prepared import Split
from gristmill.training.processes import ALONE, Processes
from gristmill.training.settings import TrainSettings

Augment = Callable[[dict[str, Tensor], torch.Generator], dict[str, Tensor]]
_EVALUATION_ROWS = 1024
_WHERE = ("epoch", "step", "tally", "history", "best", "best_epoch")


class DivergedError(GristmillError):
    """The loss is no number any more."""

    def __init__(self, epoch: int, learning_rate: float) -> None:
        super().__init__(epoch, learning_rate)

    def __str__(self) -> str:
        epoch, learning_rate = self.args
        return (
            f"the loss became infinite or no number in epoch {epoch}. Lower train.learning_rate ({learning_rate:g}) in "
            "params/<workload>.yaml, or look for extreme values in the data."
        )


class Fitted(NamedTuple):
    """A model with the weights of its best epoch."""

    model: nn.Module
    best_epoch: int
    """Counted from 1."""
    history: list[dict[str, dict[str, float]]]
    """For each epoch: split to figure to value."""


def fit(
    model: nn.Module,
    objective: Objective,
    train: Split,
    validation: Split,
    settings: TrainSettings,
    augment: Augment,
    *,
    device: torch.device,
    processes: Processes = ALONE,
    checkpoint: Checkpoint | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Fitted:
    """Train a model on one split, and keep the epoch that is best on another.

    Args:
        model: takes the inputs in their order; it is trained in place.
        augment: changes a batch's inputs, drawing from the generator only.
        checkpoint: where to go on from, and to write to.
        say: takes one line of progress for each epoch.

    Raises:
        DivergedError: the loss is no finite number.
    """
    train, validation = train.to(device), validation.to(device)
    run = _Run(model.to(device), objective, settings, device, processes)
    generator = torch.Generator(device)
    batch_size = min(settings.batch_size, len(train) // processes.world * processes.world)
    n_steps = len(train) // batch_size
    if checkpoint and (state := checkpoint.read()):
        run.restore(state)
        say(f"goes on from a checkpoint: epoch {run.epoch + 1}, step {run.step} of {n_steps}")

    while run.epoch < settings.epochs and not run.has_stalled():
        began, first_step = time.perf_counter(), run.step
        order = order_of(settings.seed, run.epoch, len(train)).to(device)
        model.train()
        while run.step < n_steps:
            _seed_step(generator, settings.seed, run.epoch, run.step, processes.rank)
            batch = train.rows(order[run.step * batch_size : (run.step + 1) * batch_size])
            batch = Split(augment(batch.inputs, generator), batch.target).rows(processes.share(batch_size))
            run.learn(batch, progress=(run.epoch + run.step / n_steps) / settings.epochs)
            if checkpoint and processes.first and checkpoint.due():
                checkpoint.write(run.state())
        n_rows = (n_steps - first_step) * batch_size
        figures = run.end_epoch(validation)
        seconds = time.perf_counter() - began
        say(
            f"epoch {run.epoch}/{settings.epochs}  {seconds:.1f} s  {n_rows / seconds:,.0f} samples/s  "
            f"train loss {figures['train']['loss']:.4f}  validation loss {figures['validation']['loss']:.4f}  "
            f"{settings.primary} {figures['validation'][settings.primary]:.4f}"
        )
    model.load_state_dict(run.best)
    return Fitted(model.eval(), run.best_epoch, run.history)


def order_of(seed: int, epoch: int, n_rows: int) -> Tensor:
    """The order of the rows in an epoch."""
    return torch.randperm(n_rows, generator=torch.Generator().manual_seed(_mixed(seed, epoch)))


def cycle(progress: float, warmup: float) -> float:
    """Share of the peak learning rate: up from a tenth, then down to none (one cycle, Smith 2018, arXiv:1803.09820)."""
    if progress < warmup:
        return 0.1 + 0.9 * progress / warmup
    return (1 - progress) / (1 - warmup)


def optimizer_for(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """The optimizer; biases and the weights of normalisations, all of one dimension, do not decay."""
    groups = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9, nesterov=True, fused=True)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


@torch.no_grad()
def tally_of(model: nn.Module, objective: Objective, split: Split) -> Tensor:
    """Tally a whole split in fp32, as the model will be served."""
    model.eval()
    total = torch.zeros(())
    for start in range(0, len(split), _EVALUATION_ROWS):
        rows = split.rows(slice(start, start + _EVALUATION_ROWS))
        tally = objective.tally(model(*rows.inputs.values()), rows.target)
        total = tally if start == 0 else total + tally
    return total


class _Run:
    """Where a training stands: all that a checkpoint holds, and the step that moves it on."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        settings: TrainSettings,
        device: torch.device,
        processes: Processes,
    ) -> None:
        self.settings, self.objective, self.device, self.processes = settings, objective, device, processes
        self.model = model
        self.shared = processes.wrap(model, device)
        self.optimizer = optimizer_for(model, settings)
        self.scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16")
        self.epoch, self.step = 0, 0
        self.tally: Tensor | None = None
        self.history: list[dict[str, dict[str, float]]] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0

    def learn(self, batch: Split, progress: float) -> None:
        """Take one step; progress is the share of all steps that is done."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * cycle(progress, self.settings.warmup)
        with autocast(self.device, self.settings):
            output = self.shared(*batch.inputs.values())
            loss = self.objective.loss(output, batch.target)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        tally = self.objective.tally(output.detach(), batch.target)
        self.tally = tally if self.tally is None else self.tally + tally
        self.step += 1

    def end_epoch(self, validation: Split) -> dict[str, dict[str, float]]:
        """Note the epoch's figures, and keep its weights if it is the best so far."""
        assert self.tally is not None  # an epoch has at least one step
        figures = {
            "train": self.objective.figures(self.processes.summed(self.tally)),
            # the first process's count everywhere: all must agree on the best epoch and on when to stop
            "validation": self.objective.figures(
                self.processes.from_first(tally_of(self.model, self.objective, validation))
            ),
        }
        self.epoch, self.step, self.tally = self.epoch + 1, 0, None
        if not all(math.isfinite(value) for split in figures.values() for value in split.values()):
            raise DivergedError(self.epoch, self.settings.learning_rate)
        primary = self.settings.primary
        best_so_far = self.history[self.best_epoch - 1]["validation"][primary] if self.best_epoch else None
        self.history.append(figures)
        if better(primary, figures["validation"][primary], best_so_far):
            self.best, self.best_epoch = copy.deepcopy(self.model.state_dict()), self.epoch
        return figures

    def has_stalled(self) -> bool:
        """Whether early stopping has waited long enough for a better epoch."""
        patience = self.settings.early_stopping
        return patience is not None and self.epoch - self.best_epoch >= patience

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        parts = {name: getattr(self, name).state_dict() for name in ("model", "optimizer", "scaler")}
        return {**parts, **{name: getattr(self, name) for name in _WHERE}}

    def restore(self, state: dict[str, Any]) -> None:
        """Stand where the checkpoint stood."""
        for name in ("model", "optimizer", "scaler"):
            getattr(self, name).load_state_dict(state[name])
        for name in _WHERE:
            setattr(self, name, state[name])


def _seed_step(generator: torch.Generator, seed: int, epoch: int, step: int, rank: int) -> None:
    generator.manual_seed(_mixed(seed, epoch, step))
    torch.manual_seed(_mixed(seed, epoch, step, rank))  # dropout


def _mixed(*numbers: int) -> int:
    """One seed of several numbers, without the collisions of a sum."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 1_000_003 + number + 1) % (2**61 - 1)
    return mixed
