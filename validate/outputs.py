"""From a model's outputs to the vectors that a task looks at."""

from __future__ import annotations

import torch
from torch import Tensor


def task_vectors(name: str, value: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
    """Named [B, C] vectors of one output [B, C] or [B, N, C].

    Images: the class token, and the mean over all tokens. Texts: the sentence vector, the mean over the
    tokens whose ``mask`` [B, N] is 1. Unmerged token outputs repeat a group's vector once per token, so that
    a mean is size-weighted.
    """
    if value.dim() != 3:
        return {name: value}
    if mask is not None:
        weights = mask.to(value.dtype).unsqueeze(-1)
        return {f"{name}: sentence": (value * weights).sum(dim=1) / weights.sum(dim=1)}
    return {f"{name}: class token": value[:, 0], f"{name}: mean token": value.mean(dim=1)}


def real_positions(value: Tensor, mask: Tensor | None) -> Tensor:
    """Token outputs [B, N, C] without padding, whose values mean nothing: [tokens, C]; others as they are."""
    if mask is None or value.dim() != 3 or value.shape[1] != mask.shape[1]:
        return value
    return value[mask > 0]


def cosines(first: Tensor, second: Tensor) -> Tensor:
    """[B] cosine of rows [B, C], in float64."""
    return torch.nn.functional.cosine_similarity(first.double(), second.double(), dim=1)
