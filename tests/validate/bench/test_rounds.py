from __future__ import annotations

import gc
import math
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitome.validate.bench.rounds import (
    MAX_WARMUP_ROUNDS,
    MIN_ROUNDS,
    is_warm,
    measure_rounds,
    random_orders,
    rounds_in,
)


class Machine:
    """A clock that only runs of contestants move on, and a record of who ran."""

    def __init__(self, seconds, drift=0.0):
        self.now, self.order, self.seconds, self.drift = 0.0, [], seconds, drift

    def runs(self):
        return {name: lambda name=name: self.run(name) for name in self.seconds}

    def run(self, name):
        self.order.append(name)
        self.now += self.seconds[name] * (1 + self.drift * self.now)

    def measure(self, **options):
        return measure_rounds(self.runs(), clock=lambda: self.now, **options)


@given(count=st.integers(1, 6), seed=st.integers(0, 2**32), blocks=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_every_block_of_rounds_is_balanced(count, seed, blocks):
    names = [f"model {index}" for index in range(count)]
    orders = list(islice(random_orders(names, seed), blocks * count))
    for start in range(0, len(orders), count):
        block = orders[start : start + count]
        assert all(sorted(order) == names for order in block)
        assert all(len(set(place)) == count for place in zip(*block, strict=True))
    assert orders == list(islice(random_orders(names, seed), blocks * count))


def test_orders_are_random_and_seeded():
    names = ["a", "b", "c", "d"]
    seen = set(islice(random_orders(names, 0), 400))
    assert len(seen) == math.factorial(4)
    assert list(islice(random_orders(names, 0), 8)) != list(islice(random_orders(names, 1), 8))


def test_every_round_runs_everyone_once_in_the_order_of_the_seed():
    machine = Machine({"a": 1.0, "b": 2.0, "c": 4.0})
    found = machine.measure(repeats=7, seed=5)
    assert {name: list(seconds) for name, seconds in found.seconds.items()} == {
        "a": [1.0] * 7,
        "b": [2.0] * 7,
        "c": [4.0] * 7,
    }
    assert found.warmup_rounds == 3
    measured = machine.order[-21:]
    wanted = list(islice(random_orders(["a", "b", "c"], 5), 7))
    assert [tuple(measured[start : start + 3]) for start in range(0, 21, 3)] == wanted


def test_drift_hits_all_alike():
    """The machine becomes five times slower; measured one after the other the ratio would be far off."""
    machine = Machine({"a": 1.0, "b": 2.0}, drift=0.002)
    found = machine.measure(repeats=200)
    a, b = found.seconds["a"], found.seconds["b"]
    assert a[-1] > 3 * a[0]
    # A pair's second run is slower by at most the drift over one run of "b": 2 * 0.002 either way.
    assert np.median(b) / np.median(a) == pytest.approx(2.0, rel=2 * 0.002)
    one_after_the_other = np.median(b[100:]) / np.median(a[:100])
    assert one_after_the_other > 2.5


def test_rounds_fill_the_asked_time():
    assert Machine({"a": 0.5, "b": 0.5}).measure(min_seconds=40).seconds["a"].shape == (40,)
    assert rounds_in(0, 1.0) == MIN_ROUNDS
    assert rounds_in(1e9, 1.0) == 1000
    assert rounds_in(1.0, 0.0) == 1000


def test_progress_counts_the_rounds():
    calls = []
    Machine({"a": 1.0}).measure(repeats=2, title="batch 4", progress=lambda *call: calls.append(call))
    assert calls[0] == ("warm-up, batch 4", 0, MAX_WARMUP_ROUNDS)
    assert calls[-3:] == [("latency, batch 4", index, 2) for index in range(3)]


def test_pauses_are_not_measured():
    found = Machine({"a": 1.0, "b": 1.0}).measure(repeats=2, pauses={"a": 0.001, "b": 0.0})
    assert list(found.seconds["a"]) == [1.0, 1.0]


def test_no_collection_while_measuring_and_collection_again_after_a_failure():
    def run():
        assert not gc.isenabled()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        measure_rounds({"a": run})
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("rounds", "warm"),
    [
        ([], False),
        ([[1.0, 2.0]] * 2, False),
        ([[1.0, 2.0]] * 3, True),
        ([[9.0, 9.0], [1.0, 2.0], [1.02, 2.04]], True),
        ([[1.0, 2.0], [1.0, 2.0], [1.0, 2.2]], False),
        ([[1.0, 2.0], [1.0, 2.0], [0.9, 2.0]], False),
        ([[float(i), 1.0] for i in range(1, 13)], True),
    ],
)
def test_warm_up_ends_when_all_settle_or_patience_ends(rounds, warm):
    named = [{"merged": first, "unmerged": second} for first, second in rounds]
    assert is_warm(named) is warm
    if len(rounds) >= 3:
        assert is_warm(named, patience=1.0)
