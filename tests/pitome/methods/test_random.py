"""Random pairs: constants that depend on seed and layer only."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pitome.methods.random import RandomMerger
from pitome.settings import MAX_SEED, MIN_SEED
from tests.pitome.slow_merge import merge_values


@settings(max_examples=50, deadline=None)
@given(
    prefix=st.integers(0, 2),
    unprotected=st.integers(2, 40),
    share=st.floats(0, 1),
    seed=st.integers(0, 100),
)
def test_random_pairs_are_pairs(prefix: int, unprotected: int, share: float, seed: int) -> None:
    merged = max(1, int(share * (unprotected // 2)))
    merger = RandomMerger(prefix + unprotected, prefix, merged, seed, 0)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, prefix + unprotected, 3, generator=generator)
    size = torch.randint(1, 5, (2, prefix + unprotected, 1), generator=generator).float()
    result = merger(x, x, size)
    kept = prefix + unprotected - merged
    assert result.x.shape == (2, kept, 3)
    assert result.assignment.dtype == torch.int32
    assert torch.equal(result.assignment[0], result.assignment[1])
    assert torch.equal(result.assignment[0, :prefix], torch.arange(prefix, dtype=torch.int32))
    counts = np.bincount(result.assignment[0].numpy(), minlength=kept)
    assert sorted(counts.tolist()) == [1] * (kept - merged) + [2] * merged
    assert (counts[:prefix] == 1).all()
    y, size_out = merge_values(x, size, result.assignment)
    torch.testing.assert_close(result.x.double(), torch.from_numpy(y), rtol=1e-6, atol=1e-6)
    assert torch.equal(result.size.double(), torch.from_numpy(size_out))
    alone = np.isin(result.assignment[0].numpy(), np.flatnonzero(counts == 1))
    slots = result.assignment[0].long()[torch.from_numpy(alone)]
    assert torch.equal(result.x[:, slots], x[:, torch.from_numpy(alone)])  # bit for bit, in order
    assert slots.tolist() == sorted(slots.tolist())


def test_random_pairs_depend_on_seed_and_layer_only() -> None:
    def pairs(seed: int, layer: int) -> list[int]:
        torch.manual_seed(layer)  # the global state plays no part
        return RandomMerger(41, 1, 8, seed, layer).assignment.tolist()

    assert pairs(0, 0) == pairs(0, 0)
    assert len({tuple(pairs(seed, layer)) for seed in range(3) for layer in range(3)}) == 9


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_random_merge_keeps_the_dtype_and_its_precision(dtype: torch.dtype) -> None:
    x = torch.randn(1, 9, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    size = torch.tensor([1.0, 2, 3, 1, 2, 3, 1, 2, 3]).reshape(1, 9, 1)
    result = RandomMerger(9, 1, 3, 0, 0)(x, x, size)
    assert result.x.dtype == dtype
    y, _ = merge_values(x, size, result.assignment)
    epsilon = torch.finfo(dtype).eps
    torch.testing.assert_close(result.x.double(), torch.from_numpy(y), rtol=epsilon, atol=epsilon)


def test_random_merge_of_padding_is_zero() -> None:
    result = RandomMerger(5, 1, 2, 0, 0)(torch.ones(1, 5, 2), torch.ones(1, 5, 2), torch.zeros(1, 5, 1))
    counts = result.assignment[0].bincount()
    assert (result.x[0, counts == 2] == 0).all()
    assert (result.size == 0).all()


def test_the_two_halves_are_the_whole_but_for_rounding() -> None:
    merger = RandomMerger(11, 1, 3, 0, 0)
    x = torch.randn(2, 11, 4, generator=torch.Generator().manual_seed(0))
    size = torch.arange(1.0, 23).reshape(2, 11, 1)
    whole, halves = merger(x, x, size), merger.combine(x, size, merger.decide(x, size))
    torch.testing.assert_close(halves.x, whole.x)
    assert torch.equal(halves.size, whole.size)
    assert torch.equal(halves.assignment, whole.assignment)


@pytest.mark.parametrize("seed", [MIN_SEED, -1, 2**62, MAX_SEED])
def test_every_seed_gives_pairs(seed: int) -> None:
    assert len(RandomMerger(41, 1, 8, seed, 3).assignment) == 41
