"""Merges by equation (4) in which the similarity of one pair lies very near to the margin."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import torch
from torch import Tensor

from pitome.merge import cosine_similarity, merge
from pitome.parameters import MergeParameters, to_float32
from pitome.validate.parity.decisions import same_groups
from tests.merge_parameters import merge_parameters

NUM_TOKENS = 10
"""None of them protected."""
SIZE = torch.ones(1, NUM_TOKENS, 1)


@dataclasses.dataclass(frozen=True)
class PlantedPair:
    """A merge of M = 2r, and what it decides with the pair on either side of the margin."""

    metric: Tensor
    """[1, N, D] float64."""
    pair: tuple[int, int]
    distance: float
    """Of the pair's similarity below the margin, in float64; negative above it."""
    parameters: MergeParameters
    right: Tensor
    """[1, N], what float64 decides."""
    jumped: Tensor
    """[1, N], what follows with the pair on the other side; other groups than ``right``."""

    def nearer(self, distance: float) -> Tensor:
        """The metric with the pair at another distance below the margin."""
        first, second = self.pair
        metric = self.metric.clone()
        metric[0, second] = _turned(metric[0, first], metric[0, second], self.parameters.margin - distance)
        return metric


def ulp(value: float) -> float:
    """One unit in the last place of float32."""
    return float(np.spacing(np.float32(value)))


def plant_pair(ulps: float, seed: int = 0) -> PlantedPair:
    """The most similar pair lies ``ulps`` below the margin, or above it where they are negative."""
    for attempt in itertools.count(1000 * seed):
        generator = torch.Generator().manual_seed(attempt)
        metric = torch.randn(1, NUM_TOKENS, 4, generator=generator).double()
        similarity = cosine_similarity(metric)[0].fill_diagonal_(-1)
        first, second = sorted(divmod(int(similarity.argmax()), NUM_TOKENS))
        margin = to_float32(float(similarity.max()))
        parameters = merge_parameters(3, 6, 0, energy="eq4", margin=margin)
        distance = ulps * ulp(margin)
        metric[0, second] = _turned(metric[0, first], metric[0, second], margin - distance)
        beyond = math.copysign(math.ceil(abs(ulps)), ulps) * ulp(margin)
        other_side = dataclasses.replace(parameters, margin=margin - beyond)
        right = merge(metric, metric, SIZE, parameters).assignment
        jumped = merge(metric, metric, SIZE, other_side).assignment
        if not same_groups(right, jumped):
            found = margin - float(cosine_similarity(metric)[0, first, second])
            return PlantedPair(metric, (first, second), found, parameters, right, jumped)
    raise AssertionError("itertools.count ends")


def _turned(fixed: Tensor, moved: Tensor, cosine: float) -> Tensor:
    """``moved`` [D], turned in the plane of both until its cosine to ``fixed`` is the wanted one."""
    along = fixed / fixed.norm()
    across = moved - (moved @ along) * along
    return cosine * along + math.sqrt(1 - cosine**2) * across / across.norm()
