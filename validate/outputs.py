"""From a model's outputs to the vectors that a task looks at."""

from __future__ import annotations

import torch
from torch import Tensor


def task_vectors(name: str, value: Tensor) -> dict[str, Tensor]:
    """Named [B, C] vectors of one output: tokens [B, N, C] give the class token and the mean over all tokens.

    Unmerged token outputs repeat a group's vector once per token, so that their mean is size-weighted.
    """
    if value.dim() == 3:
        return {f"{name}: class token": value[:, 0], f"{name}: mean token": value.mean(dim=1)}
    return {name: value}


def cosines(first: Tensor, second: Tensor) -> Tensor:
    """[B] cosine of rows [B, C], in float64."""
    return torch.nn.functional.cosine_similarity(first.double(), second.double(), dim=1)
