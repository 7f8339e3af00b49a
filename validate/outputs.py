"""From a model's outputs to the vectors that a task looks at."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

LOGITS, SENTENCE_EMBEDDING = "logits", "sentence_embedding"


def compared_outputs(names: Sequence[str]) -> tuple[str, ...]:
    """The outputs that a task looks at: where there is a sentence embedding, it and not its tokens."""
    return tuple(name for name in names if name == SENTENCE_EMBEDDING) or tuple(names)


def task_vectors(name: str, value: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
    """Named [B, C] vectors of one output [B, C] or [B, N, C].

    Images: the class token, and the mean over all tokens. Texts: the sentence vector, the mean over the
    tokens whose ``mask`` [B, N] is 1. Unmerged token outputs repeat a group's vector once per token, so that
    a mean is size-weighted. Logits of every token: those of all that are no padding, [tokens, C].
    """
    if value.dim() != 3:
        return {name: value}
    if name == LOGITS:
        return {f"{name}: token": real_positions(value, mask)}
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
