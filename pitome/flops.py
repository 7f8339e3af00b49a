"""One counter of FLOPs for merged and unmerged models (METHOD.md section 5). 1 FLOP = one multiply-add."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.models.family import ModelShape
from pitome.schedule import TokenSchedule


@dataclass(frozen=True)
class FlopsCount:
    """FLOPs of one image, of the unmerged and the merged model."""

    layers_base: tuple[int, ...]
    layers_merged: tuple[int, ...]
    outside: int
    """Patch embedding and head, the same in both."""

    @property
    def base(self) -> int:
        """The unmerged model."""
        return sum(self.layers_base) + self.outside

    @property
    def merged(self) -> int:
        """The merged model, the merges included."""
        return sum(self.layers_merged) + self.outside

    @property
    def ratio(self) -> float:
        """Merged over base."""
        return self.merged / self.base

    @property
    def bound(self) -> float:
        """Base over merged: what a speed-up is held against."""
        return self.base / self.merged


def count_flops(shape: ModelShape, schedule: TokenSchedule, metric_width: int) -> FlopsCount:
    """Count a model of ``shape`` under ``schedule``.

    Args:
        shape: sizes of the unmerged model.
        schedule: tokens merged per layer.
        metric_width: D of the merge's metric; 0 for a method that measures no similarity.
    """
    merged = []
    for layer, removed in enumerate(schedule.num_merged):
        before = schedule.tokens[layer]
        similarity = (before - schedule.num_protected) ** 2 * metric_width if removed else 0
        merged.append(_block(shape, before, before - removed) + similarity)
    base = (_block(shape, shape.num_tokens, shape.num_tokens),) * shape.num_layers
    return FlopsCount(base, tuple(merged), shape.embedding_flops + shape.head_flops)


def _block(shape: ModelShape, tokens_in: int, tokens_out: int) -> int:
    attention_width = shape.num_heads * shape.head_width
    attention = 4 * tokens_in * shape.hidden_size * attention_width + 2 * tokens_in**2 * attention_width
    return attention + tokens_out * shape.mlp_flops_per_token
