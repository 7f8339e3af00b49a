"""An experiment beyond bipartite matching, for comparison only: a forest of pointers.

Every token points to its most similar token of higher energy; the r best pointers are taken, and chains
collapse to their root. It needs no split into sources and targets, so no good pair is lost to the split, but
a group can grow along a chain. ``pitome::EnergyMerge`` does not have it and no graph is exported with it: an
operator would need a mask of pairs by rank in place of the split, and pointer doubling (log2 of the number of
tokens steps) to collapse the chains.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pitome.merge import MergeResult, apply_assignment, score_tokens
from pitome.merged_layers import MergedLayers
from pitome.methods import EnergyMerger
from pitome.parameters import MergeParameters


class PointerForestMerger:
    """Merges as a layer's ``EnergyMerger`` would, but along pointers; candidates and split are not used.

    Padding (size 0) disappears first, as its edge is +inf (METHOD.md section 2, step 6).
    """

    def __init__(self, parameters: MergeParameters) -> None:
        self.parameters = parameters
        self.num_merged = parameters.num_merged

    def __call__(self, x: Tensor, metric: Tensor, size: Tensor) -> MergeResult:
        """x [B, N, C], metric [B, N, D], size [B, N, 1] float32 -> MergeResult."""
        assignment = point(metric, size, self.parameters)
        return apply_assignment(x, size, assignment, x.shape[1] - self.num_merged)


def point(metric: Tensor, size: Tensor, parameters: MergeParameters) -> Tensor:
    """The slots of a pointer forest: metric [B, N, D], size [B, N, 1] float32 -> assignment [B, N] int32."""
    prefix = parameters.num_protected
    rows = metric.float() if metric.dtype != torch.float64 else metric
    sizes = size[:, prefix:, 0].to(rows.dtype)
    similarity, energy = score_tokens(rows[:, prefix:], sizes, parameters)
    batch, count = energy.shape

    rank = energy.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    higher = rank.unsqueeze(1) < rank.unsqueeze(2)  # [B, from, to]: ties by position
    best, target = similarity.masked_fill(~higher, -torch.inf).max(dim=-1)
    edge = best - parameters.size_penalty * torch.where(sizes > 0, sizes, 1).log()
    # The first of the order has no token above it, so it can only be a root.
    edge = torch.where((sizes <= 0) & torch.isfinite(best), torch.inf, edge)
    taken = edge.argsort(dim=-1, descending=True, stable=True)[:, : parameters.num_merged]

    parent = torch.arange(count, device=rows.device).expand(batch, count).clone()
    parent.scatter_(1, taken, target.gather(1, taken))
    for _ in range(max(count - 1, 1).bit_length()):
        parent = parent.gather(1, parent)

    kept = torch.ones(batch, count, dtype=torch.bool, device=rows.device).scatter_(1, taken, False)
    slots = (kept.cumsum(1) - 1).gather(1, parent) + prefix
    own = torch.arange(prefix, device=rows.device).expand(batch, prefix)
    return torch.cat([own, slots], dim=1).to(torch.int32)


def with_pointer_forest(compressed: nn.Module) -> nn.Module:
    """Change a compressed model in place: every energy merge becomes a pointer forest of the same r."""
    for part in compressed.modules():
        if isinstance(part, MergedLayers):
            part.mergers = tuple(
                PointerForestMerger(merger.parameters) if isinstance(merger, EnergyMerger) else merger
                for merger in part.mergers
            )
    return compressed
