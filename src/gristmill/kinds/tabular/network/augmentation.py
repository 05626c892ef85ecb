"""Rows of a table are learnt as they are: dropout, inside the network, varies them enough."""

import torch
from torch import Tensor

from gristmill.kinds.tabular.network.settings import NetworkSettings


def augment(inputs: dict[str, Tensor], settings: NetworkSettings, generator: torch.Generator) -> dict[str, Tensor]:
    """The inputs, unchanged."""
    return inputs
