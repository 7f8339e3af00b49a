"""How far float64 is from deciding a merge otherwise."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from pitome.merge import find_edges, order_tokens, score_tokens, split_candidates
from pitome.parameters import MergeParameters
from pitome.validate.parity.energy_intervals import Floats

MarginKind = Literal["order", "target", "edge"]


def decision_margins(metric: Tensor, size: Tensor, parameters: MergeParameters) -> dict[MarginKind, Floats]:
    """The distances of all decisions of one input to another decision; padding decides nothing.

    Args:
        metric: [N, D] float64.
        size: [N, 1] float32.
        parameters: of the merge.

    Returns:
        "order": gaps between neighbouring energies (none for ``order="position"``); "target": for each source
        that merges its best similarity less the second best; "edge": the r-th edge less the next one.
    """
    prefix = parameters.num_protected
    sizes = size[None, prefix:, 0].double()
    similarity, energy = score_tokens(metric[None, prefix:].double(), sizes, parameters)
    order = order_tokens(energy, parameters)
    first, second = split_candidates(order[:, : parameters.num_candidates], parameters)
    edges, _ = find_edges(similarity, sizes, first, second, parameters)
    ranked, taken = edges[0].sort(descending=True, stable=True)
    sources = first[0][taken[: parameters.num_merged]]
    sources = sources[sizes[0][sources] > 0]
    between = similarity[0][sources][:, second[0]]
    targets = between.topk(min(2, between.shape[1])).values.diff().neg().flatten()
    last = ranked[parameters.num_merged - 1 : parameters.num_merged + 1]
    last = last[torch.isfinite(last)]
    finite = energy[0][torch.isfinite(energy[0])].sort().values
    gaps = finite.diff() if parameters.order == "energy" else finite[:0]
    return {
        "order": gaps.numpy(),
        "target": targets.numpy(),
        "edge": last.diff().neg().numpy(),
    }


def smallest_margin(metric: Tensor, size: Tensor, parameters: MergeParameters) -> float:
    """The smallest float64 gap between neighbours in the energy order of one image; metric [N, D]."""
    if parameters.order == "position":
        return float("inf")
    prefix = parameters.num_protected
    sizes = size[None, prefix:, 0].double()
    _, energy = score_tokens(metric[None, prefix:].double(), sizes, parameters)
    finite = energy[0][torch.isfinite(energy[0])].sort().values
    return float(finite.diff().min()) if finite.numel() > 1 else float("inf")
