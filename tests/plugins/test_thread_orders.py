"""Whatever the order of threads and blocks: the same bits. A barrier too few shows."""

from __future__ import annotations

import faulthandler
import os

import pytest
import torch

from pitome.merge import MergeResult
from pitome.parameters import MergeParameters
from tests.plugins.kernel_runs import assert_same_bits, results
from tests.plugins.merge_library import HostLibrary

SEEDS = range(1, 10)
"""With seed 0, ten orders."""


@pytest.mark.parametrize("table", ["small", "medium"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_threads_changes_no_bit(table: str, seed: int) -> None:
    for expected, result in zip(results(table), results(table, seed=seed), strict=True):
        assert_same_bits(expected, result)


def test_nor_does_it_with_many_tokens() -> None:
    for expected, result in zip(results("many tokens"), results("many tokens", seed=1), strict=True):
        assert_same_bits(expected, result)


INPUTS = (
    torch.randn(2, 150, 40, generator=torch.Generator().manual_seed(0)),
    torch.randn(2, 150, 80, generator=torch.Generator().manual_seed(1)),
    torch.ones(2, 150, 1),
    MergeParameters(30, 130, 1, margin=0.1, size_penalty=0.05),
)


@pytest.fixture(scope="module")
def library() -> HostLibrary:
    return HostLibrary()


def test_every_barrier_of_the_kernels_is_missed_where_it_is_removed(library: HostLibrary) -> None:
    """Without it, some order of the threads gives other results, a fault, or an access out of bounds."""
    expected = library.merge(*INPUTS)
    barriers = [place for place in library.barriers() if ".cuh:" in place]
    assert len(barriers) >= 10
    for place in barriers:
        outcomes = [outcome_without(library, place, seed, expected) for seed in range(5)]
        assert any(outcomes), f"nothing happens without the barrier at {place}"
    for seed in range(10):
        assert not outcome_without(library, "", seed, expected), "with all barriers nothing changes"


def outcome_without(library: HostLibrary, place: str, seed: int, expected: MergeResult) -> bool:
    """Whether a missing barrier shows; in a process of its own, which it may bring down."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        library.keep_faults(True)
        library.open_barrier(place)
        result = library.merge(*INPUTS, seed=seed)
        same = all(torch.equal(one, other) for one, other in zip(result, expected, strict=True))
        os._exit(0 if same and not library.fault() else 1)
    _, status = os.waitpid(child, 0)
    return status != 0
