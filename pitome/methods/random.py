"""METHOD=random: seeded random pairs, the floor that every method has to beat (METHOD.md section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitome.methods import register
from pitome.methods.base import Decision, Merger, Method

if TYPE_CHECKING:
    from torch import Tensor

    from pitome.merge import MergeResult


@register
class Random(Method):
    """Merges pairs that no similarity decides."""

    name = "random"
    takes = ("proportional_attention", "seed")
    deployable = False

    def merger(self, layer: int, num_tokens: int, num_protected: int, num_merged: int) -> RandomMerger | None:
        """The pairs of one layer; other layers have other ones."""
        if num_merged == 0:
            return None
        return RandomMerger(num_tokens, num_protected, num_merged, self.settings.seed, layer)


class RandomMerger(Merger):
    """Merges random pairs that are constants, the same for every input: an exported graph gathers them."""

    def __init__(self, num_tokens: int, num_protected: int, num_merged: int, seed: int, layer: int) -> None:
        import torch

        super().__init__(num_merged)
        # Modulo the 64 bits that a generator takes: large and negative seeds would leave its range.
        generator = torch.Generator().manual_seed((seed * 1_000_003 + layer) % 2**64)
        shuffled = torch.randperm(num_tokens - num_protected, generator=generator) + num_protected
        self.source = shuffled[:num_merged]
        self.target = shuffled[num_merged : 2 * num_merged]
        kept = torch.ones(num_tokens, dtype=torch.bool)
        kept[self.source] = False
        slot = kept.cumsum(0) - 1
        slot[self.source] = slot[self.target]
        # Row i < N is token i; row N + k is the merged pair k. Each output slot reads one row.
        row = torch.arange(num_tokens)
        row[self.target] = num_tokens + torch.arange(num_merged)
        self.row = row[kept]
        self.assignment = slot.to(torch.int32)

    def decide(self, metric: Tensor, size: Tensor) -> Decision:
        """The pairs; neither ``metric`` nor ``size`` is looked at."""
        return self._pairs(metric)

    def combine(self, x: Tensor, size: Tensor, decision: Decision) -> MergeResult:
        """The mean of each group, weighted by size; another decision than its own is taken too."""
        from pitome.merge import apply_assignment

        return apply_assignment(x, size, decision.assignment, decision.num_kept)

    def __call__(self, x: Tensor, metric: Tensor, size: Tensor) -> MergeResult:
        """Merge the pairs by gathers of constant rows; ``metric`` is not looked at."""
        import torch

        from pitome.merge import MergeResult

        source, target, row = (index.to(x.device) for index in (self.source, self.target, self.row))
        source_size, target_size = size[:, source], size[:, target]
        total = source_size + target_size
        rows = x if x.dtype == torch.float64 else x.float()
        pair = (rows[:, target] * target_size + rows[:, source] * source_size) / total.clamp(min=1e-6)
        merged = torch.cat([x, pair.to(x.dtype)], dim=1)[:, row]
        assignment = self._pairs(x).assignment
        return MergeResult(merged, torch.cat([size, total], dim=1)[:, row], assignment)

    def _pairs(self, like: Tensor) -> Decision:
        assignment = self.assignment.to(like.device).unsqueeze(0).expand(like.shape[0], -1)
        return Decision(assignment, len(self.assignment) - self.num_merged)
