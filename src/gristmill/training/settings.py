"""Every setting of a training that is not the network's own; the values stand in params/<workload>.yaml under `train`."""

from typing import Any, Literal

from pydantic import Field

from gristmill.ground.settings import Settings

Figure = Literal["accuracy", "balanced_accuracy", "loss", "mae", "rmse"]


class TrainSettings(Settings):
    """How a model is fitted. All of it is part of the result, so DVC trains again when any of it changes."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Decides initial weights, order, augmentation, dropout and folds."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Declared, never guessed: the run cache is shared, and another device is another result."""
    threads: int = Field(default=1, ge=1, le=256)
    """CPU threads in an operation. One and two threads sum in another order, so it decides the bits of the weights."""
    processes: int = Field(default=1, ge=1, le=4096)
    """Training processes; more than one is started with torchrun, and shares each batch (DDP)."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """bf16 for GPUs from Ampere on, fp16 (with a loss scale) for older ones. On most CPUs bf16 is slower than fp32."""

    epochs: int = Field(default=10, ge=1, le=100_000)
    batch_size: int = Field(default=128, ge=1, le=1_000_000)
    """Rows in a step, over all processes. An epoch leaves out the rows of its last, incomplete batch."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """sgd has Nesterov momentum 0.9."""
    learning_rate: float = Field(default=0.003, gt=0, le=10)
    """The peak of the cycle."""
    warmup: float = Field(default=0.25, ge=0, lt=1)
    """Share of the steps on which the learning rate rises; it falls on the others."""
    weight_decay: float = Field(default=0.01, ge=0, le=10)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Classification only."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: each class weighs alike in the loss, however rare it is."""
    regression_loss: Literal["huber", "mse"] = "huber"
    """Regression only; huber is not led away by outliers."""

    primary: Figure = "accuracy"
    """The figure on the validation records that chooses the epoch."""
    early_stopping: int | None = Field(default=None, ge=1)
    """Stop after this many epochs without a better one; None trains them all."""
    cross_validation: int | None = Field(default=None, ge=2, le=50)
    """Folds of a cross-validation over train and validation records, reported beside the model; None makes none."""
    checkpoint_minutes: float = Field(default=0.25, ge=0, le=1440)
    """How much work a kill may cost. 0 writes a checkpoint at each step."""

    network: dict[str, Any] = Field(default_factory=dict)
    """The kind's own section; its meaning and bounds are in kinds/<kind>/network."""
