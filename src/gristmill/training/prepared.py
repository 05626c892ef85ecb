"""What `prepare` left: whole splits in memory, for a batch is then `X[idx]` and needs no workers."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from gristmill.ground.errors import GristmillError
from gristmill.ground.files import read_json


class EmptyTrainingError(GristmillError):
    """A split that training needs has no rows."""

    def __init__(self, workload: str, split: str) -> None:
        super().__init__(workload, split)

    def __str__(self) -> str:
        workload, split = self.args
        return (
            f"{workload}: no record is in the {split} split, so nothing can be trained. Land more data "
            f"(`gristmill land {workload} FILE`), or look into the quarantine of {workload} for what was refused."
        )


class Split(NamedTuple):
    """Rows of one side: the model's inputs by name, and the target."""

    inputs: dict[str, Tensor]
    target: Tensor

    def __len__(self) -> int:
        return len(self.target)

    def rows(self, index: Tensor | slice) -> "Split":
        """Some of the rows, in the order of the index."""
        return Split({name: values[index] for name, values in self.inputs.items()}, self.target[index])

    def joined(self, other: "Split") -> "Split":
        """These rows, then the other's."""
        inputs = {name: torch.cat([values, other.inputs[name]]) for name, values in self.inputs.items()}
        return Split(inputs, torch.cat([self.target, other.target]))

    def to(self, device: torch.device) -> "Split":
        """The same rows in the memory of a device."""
        return Split({name: values.to(device) for name, values in self.inputs.items()}, self.target.to(device))


class Prepared(NamedTuple):
    """Everything that a training reads."""

    contract: dict[str, Any]
    train: Split
    validation: Split
    record_ids: list[str]
    """Of train and validation together, sorted: the records that the model has seen."""


def read_prepared(folder: Path, workload: str) -> Prepared:
    """Read data/<w>/prepared.

    Raises:
        EmptyTrainingError: train or validation has no row.
    """
    contract = read_json(folder / "contract.json")
    names = [one["name"] for one in contract["inputs"]]
    splits, record_ids = [], []
    for name in ("train", "validation"):
        tensors = load_file(folder / f"{name}.safetensors")
        if not len(tensors["target"]):
            raise EmptyTrainingError(workload, name)
        splits.append(Split({key: tensors[key] for key in names}, tensors["target"]))
        record_ids += (folder / f"{name}.txt").read_text("utf-8").split("\n")
    return Prepared(contract, splits[0], splits[1], sorted(one for one in record_ids if one))
