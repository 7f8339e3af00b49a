"""A model that traces in a second, for tests of the file rather than of a family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pitome.op import energy_merge
from tests.merge_parameters import merge_parameters

PIXELS = {"pixel_values": torch.zeros(2, 3, 8, 8)}
"""An example of its input, which no family knows."""


@dataclass
class Output:
    y: Tensor


class Small(nn.Module):
    """Each of 64 pixels is a token; up to two merges, one for each rule (fields of MergeParameters).

    The layers ``first`` and ``tied`` share a weight, ``last`` and ``equal`` have equal ones.
    """

    def __init__(self, *rules: dict[str, Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Linear(3, 96)
        self.first, self.tied, self.last, self.equal = (nn.Linear(96, 96) for _ in range(4))
        self.tied.weight = self.first.weight
        self.equal.weight = nn.Parameter(self.last.weight.detach().clone())
        self.rules = rules

    def forward(self, pixel_values: Tensor) -> Output:
        x = self.embed(pixel_values.flatten(2).transpose(1, 2))
        size = torch.ones_like(x[..., :1], dtype=torch.float32)
        for layer, rule in zip((self.first, self.tied), self.rules, strict=False):
            x, size, _ = energy_merge(layer(x), x, size, merge_parameters(9, 30, 0, margin=0.5, **rule))
        return Output(self.equal(self.last(self.tied(x)).relu()))
