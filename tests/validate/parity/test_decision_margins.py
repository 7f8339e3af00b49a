"""How far float64 is from deciding otherwise."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pitome.parameters import MergeParameters
from pitome.validate.parity.decision_margins import decision_margins, smallest_margin
from tests.pitome.slow_merge import as_float64, edge_value, score, split_by_rank
from tests.validate.parity.judged_cases import merges, near_tie

pytestmark = pytest.mark.quick


def test_smallest_margin_is_the_smallest_gap_of_energies() -> None:
    metric, parameters, gap = near_tie()
    assert smallest_margin(metric[0], torch.ones(4, 1), parameters) == pytest.approx(gap)
    by_position = dataclasses.replace(parameters, order="position")
    assert smallest_margin(metric[0], torch.ones(4, 1), by_position) == math.inf


TIED = 1e-12


def slow_margins(metric: Tensor, size: Tensor, parameters: MergeParameters) -> dict[str, list[float]]:
    """``decision_margins`` of one input, one decision at a time."""
    scores = score(as_float64(metric), as_float64(size)[:, 0], parameters)
    finite = sorted(value for value in scores.energy.tolist() if math.isfinite(value))
    ranked = list(range(len(scores.energy)))
    if parameters.order == "energy":
        ranked.sort(key=lambda token: (-scores.energy[token], token))
    first, second = split_by_rank(ranked, parameters)
    edges = {
        token: edge_value(token, max(scores.similarity[token, other] for other in second), scores, parameters)
        for token in first
    }
    by_edge = sorted(first, key=lambda token: -edges[token])
    targets = []
    for token in by_edge[: parameters.num_merged]:
        if scores.size[token] > 0 and len(second) > 1:
            best, next_best = sorted((scores.similarity[token, other] for other in second), reverse=True)[:2]
            targets.append(best - next_best)
    last = [edges[token] for token in by_edge[parameters.num_merged - 1 : parameters.num_merged + 1]]
    return {
        "order": [b - a for a, b in itertools.pairwise(finite)] if parameters.order == "energy" else [],
        "target": targets,
        "edge": [last[0] - last[1]] if len(last) == 2 and math.isfinite(last[0] - last[1]) else [],
    }


@settings(max_examples=60, deadline=None)
@given(merges(largest=14), st.data())
def test_margins_are_those_of_each_decision(
    case: tuple[Tensor, Tensor, MergeParameters], data: st.DataObject
) -> None:
    metric, size, parameters = case
    padding = data.draw(st.integers(0, (metric.shape[1] - parameters.num_protected) // 2))
    size = size.clone()
    size[:, metric.shape[1] - padding :] = 0
    found = decision_margins(metric[0].double(), size[0], parameters)
    expected = slow_margins(metric[0].double(), size[0], parameters)
    assert found.keys() == expected.keys()
    for kind, values in expected.items():
        if kind != "order" and min(expected["order"], default=1.0) < TIED:
            continue  # sums that differ in their last bits alone order the tokens: either order is right
        np.testing.assert_allclose(sorted(found[kind]), sorted(values), atol=TIED)  # type: ignore[index]
    if parameters.order == "energy" and found["order"].size:
        smallest = smallest_margin(metric[0].double(), size[0], parameters)
        assert smallest == pytest.approx(found["order"].min())
