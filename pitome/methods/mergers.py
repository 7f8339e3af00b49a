"""One layer's merge as a callable: (x, metric, size) -> MergeResult."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from pitome.merge import MergeResult
from pitome.methods.settings import MethodSettings
from pitome.op import energy_merge
from pitome.parameters import MergeParameters
from pitome.schedule import choose_candidates


class Merger(Protocol):
    """Merges a fixed number of tokens of one layer."""

    num_merged: int

    def __call__(self, x: Tensor, metric: Tensor, size: Tensor) -> MergeResult:
        """x [B, N, C], metric [B, N, D], size [B, N, 1] float32 -> MergeResult."""
        ...


class EnergyMerger:
    """The operator ``pitome::energy_merge`` with its attributes: PiToMe, ToMe and all between."""

    def __init__(self, parameters: MergeParameters) -> None:
        self.parameters = parameters
        self.num_merged = parameters.num_merged

    def __call__(self, x: Tensor, metric: Tensor, size: Tensor) -> MergeResult:
        """Merge by similarity of ``metric``."""
        return energy_merge(x, metric, size, self.parameters)


class RandomMerger:
    """Merges seeded random pairs: the floor that every method has to beat (METHOD.md section 7).

    The pairs are constants, the same for every input, so an exported graph holds plain gathers.
    """

    def __init__(self, num_tokens: int, num_protected: int, num_merged: int, seed: int, layer: int) -> None:
        self.num_merged = num_merged
        generator = torch.Generator().manual_seed(seed * 1_000_003 + layer)
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

    def __call__(self, x: Tensor, metric: Tensor, size: Tensor) -> MergeResult:
        """Merge the pairs; ``metric`` is not looked at."""
        source, target, row = (index.to(x.device) for index in (self.source, self.target, self.row))
        source_size, target_size = size[:, source], size[:, target]
        total = source_size + target_size
        rows = x if x.dtype == torch.float64 else x.float()
        pair = (rows[:, target] * target_size + rows[:, source] * source_size) / total.clamp(min=1e-6)
        merged = torch.cat([x, pair.to(x.dtype)], dim=1)[:, row]
        assignment = self.assignment.to(x.device).unsqueeze(0).expand(x.shape[0], -1)
        return MergeResult(merged, torch.cat([size, total], dim=1)[:, row], assignment)


def build_merger(
    settings: MethodSettings, layer: int, num_tokens: int, num_protected: int, num_merged: int
) -> Merger | None:
    """The merger of one layer, or None where nothing merges.

    Raises:
        InputError: candidates that do not fit the layer.
    """
    if num_merged == 0 or settings.name == "none":
        return None
    if settings.name == "random":
        return RandomMerger(num_tokens, num_protected, num_merged, settings.seed or 0, layer)
    candidates = choose_candidates(settings.candidates[layer], num_tokens - num_protected, num_merged)
    parameters = MergeParameters(
        num_merged=num_merged,
        num_candidates=candidates,
        num_protected=num_protected,
        margin=settings.margins[layer],
        alpha=settings.alpha,
        size_penalty=settings.size_penalty,
        order=settings.order,
        energy=settings.energy,
        split=settings.split,
    )
    parameters.check(num_tokens)
    return EnergyMerger(parameters)
