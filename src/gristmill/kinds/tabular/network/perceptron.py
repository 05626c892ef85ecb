"""A perceptron over standardised numbers, their missing flags and embedded categories.

A missing number becomes the column's mean, and its flag says so; a missing or unknown category has an embedding of its
own (index 0). Standardised values stop at +-10, so that one absurd number cannot drown every other column.
"""

# N rows, F numeric columns, G categorical columns, E numbers for each category
from typing import Any

import torch
from torch import Tensor, nn

from gristmill.kinds.tabular.network.settings import NetworkSettings

_LIMIT = 10.0


def build(contract: dict[str, Any], settings: NetworkSettings, train_inputs: dict[str, Tensor]) -> "Perceptron":
    """The network for the contract's columns, with means and deviations taken from the training rows."""
    names = [one["name"] for one in contract["inputs"]]
    n_categories = [len(one["categories"]) for one in contract["columns"] if one["type"] == "categorical"]
    numeric_NF = train_inputs["numeric"].double() if "numeric" in names else torch.zeros(1, 0, dtype=torch.float64)
    mean_F = numeric_NF.nanmean(0).nan_to_num(0.0)  # a column without any number: 0
    std_F = (numeric_NF - mean_F).square().nanmean(0).sqrt().nan_to_num(0.0)
    std_F = torch.where(std_F > 0, std_F, torch.ones_like(std_F))
    n_outputs = len(contract["classes"]) if contract["task"] == "classification" else 1
    one_number = contract["task"] == "regression"
    return Perceptron(names, mean_F.float(), std_F.float(), n_categories, settings, n_outputs, one_number)


class Perceptron(nn.Module):
    """numeric [N, F] (NaN: missing) and categorical [N, G] (0: missing or unknown) to logits [N, C], or to numbers [N]."""

    mean: Tensor
    std: Tensor
    offset: Tensor

    def __init__(
        self,
        names: list[str],
        mean_F: Tensor,
        std_F: Tensor,
        n_categories: list[int],
        settings: NetworkSettings,
        n_outputs: int,
        one_number: bool,
    ) -> None:
        super().__init__()
        self.names = names
        self.one_number = one_number
        self.register_buffer("mean", mean_F)
        self.register_buffer("std", std_F)
        sizes = torch.tensor([0, *(n + 1 for n in n_categories)])
        self.register_buffer("offset", sizes.cumsum(0)[:-1])  # all columns share one table of embeddings
        self.embedding = nn.Embedding(max(int(sizes.sum()), 1), settings.embedding)
        layers: list[nn.Module] = [nn.Dropout(settings.dropout)]
        n_in = 2 * len(mean_F) + len(n_categories) * settings.embedding
        for n_hidden in settings.hidden:
            layers += [nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Dropout(settings.dropout)]
            n_in = n_hidden
        self.layers = nn.Sequential(*layers, nn.Linear(n_in, n_outputs))

    def forward(self, *inputs: Tensor) -> Tensor:
        by_name = dict(zip(self.names, inputs, strict=True))
        parts = []
        if "numeric" in by_name:
            numeric_NF = by_name["numeric"]
            missing_NF = torch.isnan(numeric_NF)
            standard_NF = ((numeric_NF - self.mean) / self.std).clamp(-_LIMIT, _LIMIT)
            parts += [torch.where(missing_NF, torch.zeros_like(standard_NF), standard_NF), missing_NF.float()]
        if "categorical" in by_name:
            parts.append(self.embedding(by_name["categorical"] + self.offset).flatten(1))
        output: Tensor = self.layers(torch.cat(parts, 1))
        return output.squeeze(1) if self.one_number else output
