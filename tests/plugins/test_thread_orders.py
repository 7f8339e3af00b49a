"""Whatever the order of threads and blocks: the same bits. A barrier too few shows."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable
from functools import partial

import pytest
import torch

from pitome.merge import MergeResult
from tests.plugins.kernel_runs import INPUTS, MANY_INPUTS, Inputs, assert_same_bits, results
from tests.plugins.watched_library import WatchedLibrary

SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 10))]
"""With seed 0, ten orders."""


@pytest.mark.parametrize("table", ["small", pytest.param("medium", marks=pytest.mark.full)])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_threads_changes_no_bit(table: str, seed: int) -> None:
    for expected, result in zip(results(table), results(table, seed=seed), strict=True):
        assert_same_bits(expected, result)


@pytest.mark.full
def test_nor_does_it_with_many_tokens() -> None:
    for expected, result in zip(results("many tokens"), results("many tokens", seed=1), strict=True):
        assert_same_bits(expected, result)


@pytest.fixture(scope="module")
def library() -> WatchedLibrary:
    return WatchedLibrary()


@pytest.mark.parametrize(
    ("inputs", "name"),
    [(INPUTS, "few"), pytest.param(MANY_INPUTS, "many", marks=pytest.mark.full)],
    ids=["few", "many"],
)
@pytest.mark.parametrize(
    "dtype", [torch.float32, pytest.param(torch.float16, marks=pytest.mark.full)], ids=str
)
def test_every_barrier_of_the_kernels_is_missed_where_it_is_removed(
    library: WatchedLibrary, dtype: torch.dtype, inputs: Inputs, name: str
) -> None:
    """Without it, some order of the threads gives other results, a fault, or an access out of bounds."""
    x, metric, size, parameters = inputs
    merge = partial(library.merge, x.to(dtype), metric.to(dtype), size, parameters)
    library.forget_barriers()
    expected = merge()
    barriers = library.barriers()
    assert len(barriers) == NUM_BARRIERS[name, dtype]
    for place in barriers:
        outcomes = [shows(library, merge, place, seed, expected) for seed in range(5)]
        assert any(outcomes), f"nothing happens without the barrier at {place}"
    for seed in range(10):
        assert not shows(library, merge, "", seed, expected), "with all barriers nothing changes"


NUM_BARRIERS = {
    ("few", torch.float32): 12,
    ("few", torch.float16): 12,
    ("many", torch.float32): 13,
    ("many", torch.float16): 14,
}
"""Of large tiles tensor cores have one more: two groups of warps add their products."""


def shows(
    library: WatchedLibrary, merge: Callable[..., MergeResult], place: str, seed: int, expected: MergeResult
) -> bool:
    """Whether the lack of a barrier does; in a process of its own, which it may bring down."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        library.keep_faults()
        library.open_barrier(place)
        result = merge(seed=seed)
        same = all(torch.equal(one, other) for one, other in zip(result, expected, strict=True))
        os._exit(0 if same and not library.fault() else 1)
    _, status = os.waitpid(child, 0)
    return status != 0
