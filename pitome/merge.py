"""The reference merge in plain PyTorch: energy, order, matching, merging (METHOD.md section 2).

This is what every other implementation of ``pitome::EnergyMerge`` is held to. Decisions are made in
float32 whatever the inputs' dtype is (in float64 for float64 inputs, which the checks use).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pitome.errors import InputError
from pitome.parameters import MergeParameters, to_float32

SMALLEST_NORM = 1e-6
NON_FINITE_TARGET = -2.0
NON_FINITE_SOURCE = -3.0
_FLOAT_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


class MergeResult(NamedTuple):
    """What a merge returns."""

    x: Tensor
    """[B, N - r, C], the tokens that are left, in their original order; dtype of the input."""
    size: Tensor
    """[B, N - r, 1] float32, how many original tokens each stands for."""
    assignment: Tensor
    """[B, N] int32, the output slot that every input token went to."""


class Matching(NamedTuple):
    """Which tokens merge into which; positions count from the first token, the prefix included."""

    source: Tensor
    """[B, r] int64, positions of the tokens that disappear, ascending."""
    target: Tensor
    """[B, r] int64, for each source the position of the token that takes it in."""


def merge(x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> MergeResult:
    """Merge r tokens of each batch element into similar ones (METHOD.md section 2).

    Args:
        x: [B, N, C] tokens, float32, float16, bfloat16 or float64; finite.
        metric: [B, N, D], same dtype as ``x``; similarity is measured on it.
        size: [B, N, 1] float32, the original tokens that each token stands for; <= 0 is padding.
        parameters: see MergeParameters.

    Raises:
        InputError: shapes or dtypes that do not fit, or parameters that do not fit N.
    """
    check_inputs(x, metric, size, parameters)
    return apply_matching(x, size, match_tokens(metric, size, parameters))


def check_inputs(x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> None:
    """Raise InputError where the operator's contract (DESIGN.md) does not hold."""
    if x.dim() != 3 or metric.dim() != 3 or metric.shape[:2] != x.shape[:2]:
        raise InputError(
            "a merge of x [B, N, C] by metric [B, N, D]",
            f"x has the shape {tuple(x.shape)} and metric {tuple(metric.shape)}",
            "Give both three dimensions and the same B and N",
        )
    if tuple(size.shape) != (x.shape[0], x.shape[1], 1) or size.dtype != torch.float32:
        raise InputError(
            f"a merge with size [{x.shape[0]}, {x.shape[1]}, 1] float32",
            f"size has the shape {tuple(size.shape)} and dtype {size.dtype}",
            "Give one float32 size for every token",
        )
    if x.dtype not in _FLOAT_TYPES or metric.dtype != x.dtype:
        raise InputError(
            "a merge of x and metric of one floating-point dtype",
            f"x is {x.dtype} and metric is {metric.dtype}",
            "Use float32, float16 or bfloat16 for both",
        )
    parameters.check(x.shape[1])


def match_tokens(metric: Tensor, size: Tensor, parameters: MergeParameters) -> Matching:
    """Steps 1 to 6: similarity, energy, order, candidates, split and the r best edges."""
    prefix = parameters.num_protected
    rows = _decision_precision(metric)[:, prefix:]
    size = size[:, prefix:, 0].to(rows.dtype)
    similarity, energy = score_tokens(rows, size, parameters)

    candidates = order_tokens(energy, parameters)[:, : parameters.num_candidates]
    first, second = split_candidates(candidates, parameters)
    edges, best = find_edges(similarity, size, first, second, parameters)
    taken = edges.argsort(dim=-1, descending=True, stable=True)[:, : parameters.num_merged]

    source = first.gather(1, taken)
    target = second.gather(1, best.gather(1, taken))
    by_position = source.argsort(dim=-1)
    return Matching(source.gather(1, by_position) + prefix, target.gather(1, by_position) + prefix)


def score_tokens(rows: Tensor, size: Tensor, parameters: MergeParameters) -> tuple[Tensor, Tensor]:
    """Steps 1 and 2: similarity [B, T, T] and energy [B, T] of metric rows [B, T, D], sizes [B, T].

    Padding comes first in the order even where its row is not finite (METHOD.md section 4).
    """
    similarity = cosine_similarity(rows)
    finite = finite_rows(rows)
    counted = (size > 0) & finite
    weights = counted.to(rows.dtype)
    values = energy_of_similarity(similarity, parameters)
    energy = (values @ weights.unsqueeze(-1)).squeeze(-1) / weights.sum(-1, keepdim=True).clamp(min=1)
    energy = torch.where(finite, energy, -torch.inf)
    return similarity, torch.where(size > 0, energy, torch.inf)


def finite_rows(rows: Tensor) -> Tensor:
    """[..., T] bool: rows [..., T, D] whose sum of squares is finite, so that a cosine exists."""
    return torch.isfinite(rows.square().sum(-1))


def cosine_similarity(metric: Tensor) -> Tensor:
    """Cosine of every pair of rows: [B, T, D] -> [B, T, T], float32 (float64 for float64).

    A row that is not finite has similarity -2 as a target and -3 as a source (METHOD.md section 2).
    """
    rows = _decision_precision(metric)
    finite = finite_rows(rows)
    inverse_norm = rows.square().sum(-1, keepdim=True).sqrt().clamp(min=SMALLEST_NORM).reciprocal()
    unit = torch.where(finite.unsqueeze(-1), rows * inverse_norm, 0)
    similarity = unit @ unit.transpose(1, 2)
    similarity = torch.where(finite.unsqueeze(1), similarity, NON_FINITE_TARGET)
    return torch.where(finite.unsqueeze(2), similarity, NON_FINITE_SOURCE)


def energy_of_similarity(similarity: Tensor, parameters: MergeParameters) -> Tensor:
    """f of METHOD.md section 2 step 2, elementwise."""
    if parameters.function == "gaussian":
        return torch.exp(-0.5 * _divide(1 - similarity, to_float32(1 - parameters.margin)).square())
    linear = _divide(similarity - parameters.offset, parameters.width)
    # Without the clamp the exponential of the side that is not taken overflows at small widths.
    below = _divide((similarity - parameters.margin).clamp(max=0), parameters.width)
    return torch.where(similarity >= parameters.margin, linear, parameters.alpha * torch.expm1(below))


def _divide(values: Tensor, divisor: float) -> Tensor:
    """A real division: by a Python number a GPU multiplies with the inverse, which rounds in another way."""
    return values / values.new_full((), divisor)


def order_tokens(energy: Tensor, parameters: MergeParameters) -> Tensor:
    """Step 3: [B, T] positions by falling energy, ties to the lower position; or as they come."""
    if parameters.order == "position":
        return torch.arange(energy.shape[1], device=energy.device).expand(energy.shape)
    return energy.argsort(dim=-1, descending=True, stable=True)


def split_candidates(candidates: Tensor, parameters: MergeParameters) -> tuple[Tensor, Tensor]:
    """Step 5: the candidates [B, M] by rank into sources [B, |A|] and targets."""
    slices = parameters.rank_slices
    return (
        candidates[:, slices.source_start : slices.source_stop : slices.split_step],
        candidates[:, slices.target_start : slices.target_stop : slices.split_step],
    )


def find_edges(
    similarity: Tensor, size: Tensor, first: Tensor, second: Tensor, parameters: MergeParameters
) -> tuple[Tensor, Tensor]:
    """Step 6: for each source its edge's value [B, |A|] and the index of its target in ``second``."""
    batch = torch.arange(similarity.shape[0], device=similarity.device)[:, None, None]
    between = similarity[batch, first.unsqueeze(2), second.unsqueeze(1)]
    value, best = between.max(dim=-1)
    best = first_maximum(between, value)
    return edge_values(value, size.gather(1, first), parameters), best


def edge_values(similarity: Tensor, source_size: Tensor, parameters: MergeParameters) -> Tensor:
    """The value of edges: their similarity less the penalty of the source's size; +inf from padding."""
    padding = source_size <= 0
    penalty = parameters.size_penalty * torch.where(padding, 1, source_size).log()
    return torch.where(padding, torch.inf, similarity - penalty)


def first_maximum(values: Tensor, maximum: Tensor) -> Tensor:
    """Index of the first entry of [..., K] that equals the maximum [...]; torch.max promises no order."""
    return (values == maximum.unsqueeze(-1)).to(torch.uint8).argmax(dim=-1)


def apply_matching(x: Tensor, size: Tensor, matching: Matching) -> MergeResult:
    """Steps 7 and 8: merge each source into its target; kept tokens stay in their original order.

    Args:
        x: [B, N, C].
        size: [B, N, 1] float32.
        matching: r sources and targets per batch element; no target is a source.
    """
    batch, num_tokens, width = x.shape
    num_kept = num_tokens - matching.source.shape[1]
    size = size.clamp(min=0)
    kept = torch.ones(batch, num_tokens, dtype=torch.bool, device=x.device)
    kept.scatter_(1, matching.source, False)
    kept_position = kept.nonzero()[:, 1].view(batch, num_kept)
    slot = kept.cumsum(1) - 1
    assignment = assignment_of(matching, num_tokens)
    source_slot = slot.gather(1, matching.target)
    rows = _decision_precision(x)
    weighted = rows * size.to(rows.dtype)
    total = size.gather(1, kept_position.unsqueeze(-1))
    summed = weighted.gather(1, kept_position.unsqueeze(-1).expand(-1, -1, width)).clone()
    received = torch.zeros(batch, num_kept, dtype=torch.bool, device=x.device)
    for index in range(matching.source.shape[1]):  # one by one: the order of the sums is part of the contract
        place, origin = source_slot[:, index], matching.source[:, index]
        line = torch.arange(batch, device=x.device)
        summed[line, place] = summed[line, place] + weighted[line, origin]
        total[line, place] = total[line, place] + size[line, origin]
        received[line, place] = True

    alone = x.gather(1, kept_position.unsqueeze(-1).expand(-1, -1, width))
    mean = summed / torch.where(total == 0, 1, total).to(rows.dtype)
    merged = torch.where(received.unsqueeze(-1), mean.to(x.dtype), alone)
    merged = torch.where(total > 0, merged, 0)
    return MergeResult(merged, total, assignment)


def assignment_of(matching: Matching, num_tokens: int) -> Tensor:
    """[B, N] int32, the output slot of every token: kept ones in their order, sources with their targets."""
    batch = matching.source.shape[0]
    kept = torch.ones(batch, num_tokens, dtype=torch.bool, device=matching.source.device)
    kept.scatter_(1, matching.source, False)
    slot = kept.cumsum(1) - 1
    slot = slot.scatter(1, matching.source, slot.gather(1, matching.target))
    return slot.to(torch.int32)


def apply_assignment(x: Tensor, size: Tensor, assignment: Tensor, num_kept: int) -> MergeResult:
    """Step 7 with the decisions given, as parity checks need it: same values as the merge, but for rounding.

    Args:
        x: [B, N, C].
        size: [B, N, 1] float32.
        assignment: [B, N] int32, for each token its slot, below ``num_kept``; every slot is used.
        num_kept: N - r.
    """
    size = size.clamp(min=0)
    slots = assignment.long().unsqueeze(-1)
    rows = _decision_precision(x)
    weights = size.to(rows.dtype)
    empty = rows.new_zeros(x.shape[0], num_kept, x.shape[-1])
    summed = empty.scatter_add(1, slots.expand_as(rows), rows * weights)
    total = size.new_zeros(x.shape[0], num_kept, 1).scatter_add(1, slots, size)
    count = torch.zeros_like(total).scatter_add(1, slots, torch.ones_like(size))
    alone = torch.zeros_like(empty, dtype=x.dtype).scatter(1, slots.expand_as(x), x)
    mean = (summed / torch.where(total == 0, 1, total).to(rows.dtype)).to(x.dtype)
    merged = torch.where(count > 1, mean, alone)
    return MergeResult(torch.where(total > 0, merged, 0), total, assignment.to(torch.int32))


def unmerge(x: Tensor, assignment: Tensor) -> Tensor:
    """Give every original position its group's vector: [B, N', C], [B, N] -> [B, N, C]."""
    return x.gather(1, assignment.long().unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def compose_assignments(first: Tensor, second: Tensor) -> Tensor:
    """The assignment of two merges in a row: [B, N] into N', then [B, N'] into N'' -> [B, N] int32."""
    return second.gather(1, first.long())


def _decision_precision(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
