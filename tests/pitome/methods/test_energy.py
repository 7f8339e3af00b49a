"""What the methods of the operator share: parameters of each layer, and two halves that are the operator."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pitome.methods import make_method
from pitome.methods.energy import EnergyMerger
from pitome.models.families import family_of_type
from pitome.settings import MergeSettings
from tests.merge_parameters import merge_parameters

CLIP = family_of_type("clip")


@pytest.mark.parametrize(
    ("method", "candidates", "num_candidates"),
    [
        ("pitome", None, 32),  # floor(0.9 36 + 0.5)
        ("pitome", 0.5, 18),
        ("pitome", 0.95, 8),  # at least 2r
        ("pitome", 11, 11),
        ("paper", None, 8),
        ("tome", None, 36),
    ],
)
def test_parameters_of_one_layer(method: str, candidates: Any, num_candidates: int) -> None:
    chosen = make_method(MergeSettings(method, candidates=candidates), CLIP, 4)
    merger = chosen.merger(2, 37, 1, 4)
    assert isinstance(merger, EnergyMerger)
    found = merger.parameters
    assert (found.num_merged, found.num_candidates, found.num_protected) == (4, num_candidates, 1)
    assert merger.num_candidates == num_candidates
    assert found.margin == pytest.approx(0.45)
    assert found.size_penalty == chosen.settings.size_penalty
    assert found.order == ("position" if method == "tome" else "energy")


def test_nothing_to_merge_is_no_merger() -> None:
    assert make_method(MergeSettings(), CLIP, 2).merger(0, 37, 1, 0) is None


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 1000),
    merged=st.integers(1, 9),
    more=st.integers(0, 4),
    order=st.sampled_from(["energy", "position"]),
    energy=st.sampled_from(["elu", "eq4", "sharp", "gaussian"]),
    split=st.sampled_from(["alternate", "alternate_second", "half"]),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.float64]),
)
def test_the_two_halves_are_the_operator_bit_for_bit(
    seed: int, merged: int, more: int, order: Any, energy: Any, split: Any, dtype: torch.dtype
) -> None:
    parameters = merge_parameters(
        merged, 2 * merged + more, 2, margin=0.4, size_penalty=0.1, order=order, energy=energy, split=split
    )
    merger, tokens = EnergyMerger(parameters), 2 + 2 * merged + more + 1
    generator = torch.Generator().manual_seed(seed)
    x, metric = (torch.randn(2, tokens, width, generator=generator).to(dtype) for width in (5, 3))
    size = torch.randint(0, 4, (2, tokens, 1), generator=generator).float()
    size[:, :2] = 1
    whole, halves = merger(x, metric, size), merger.combine(x, size, merger.decide(metric, size))
    for one, other in zip(whole, halves, strict=True):
        assert torch.equal(one, other)
