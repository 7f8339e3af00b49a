from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from pitome.validate.bench.latency import bootstrap_interval
from pitome.validate.gpu.environment import GpuState
from pitome.validate.gpu.timing import (
    MIN_WARMUP_ROUNDS,
    MOST_RUNS,
    Sampled,
    batch_speed,
    measure_rounds,
    order_of_round,
    runs_per_sample,
)

NAMES = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_candidate_is_as_often_in_every_place(count: int) -> None:
    names = NAMES[:count]
    orders = [order_of_round(names, index) for index in range(2 * count)]
    assert all(sorted(order) == names for order in orders)
    places = Counter((place, name) for order in orders for place, name in enumerate(order))
    assert set(places.values()) == {2}
    assert orders[1] == orders[0][::-1]


def test_runs_per_sample() -> None:
    assert runs_per_sample(0.004, 0.05) == 13
    assert runs_per_sample(1.0, 0.05) == 1
    assert runs_per_sample(0.0, 0.05) == MOST_RUNS


def test_rounds_in_their_order_with_runs_that_fill_a_sample() -> None:
    calls: list[tuple[str, int]] = []
    seconds = {"fast": 0.001, "slow": 0.02}

    def clock(run: Callable[[], object], count: int) -> float:
        name = str(run())
        calls.append((name, count))
        return seconds[name] * count

    sampled = measure_rounds(
        {"fast": lambda: "fast", "slow": lambda: "slow"},
        clock,
        rounds=4,
        sample_seconds=0.05,
        warmup_seconds=0.0,
    )
    assert sampled.warmup_rounds == MIN_WARMUP_ROUNDS
    assert sampled.runs == {"fast": 50, "slow": 3}
    assert calls[:2] == [("fast", 1), ("slow", 1)], "the first round only finds out how long a run takes"
    fast, slow = ("fast", 50), ("slow", 3)
    assert calls[-8:] == [fast, slow, slow, fast, slow, fast, fast, slow]
    for name, each in seconds.items():
        np.testing.assert_allclose(sampled.seconds[name], [each] * 4)


def test_a_planted_speed_is_found() -> None:
    now, seconds = 0.0, {"fast": 0.001, "slow": 0.003}

    def clock(run: Callable[[], object], count: int) -> float:
        nonlocal now
        now += seconds[str(run())] * count
        return seconds[str(run())] * count

    sampled = measure_rounds(
        {"fast": lambda: "fast", "slow": lambda: "slow"},
        clock,
        rounds=9,
        sample_seconds=0.01,
        warmup_seconds=0.1,
        now=lambda: now,
    )
    # One run of each, 4 ms, and then samples of 10 and 12 ms until 0.1 s are over.
    assert sampled.warmup_rounds == 6
    pairs = [("fast", "slow", 5.0), ("slow", "fast", None), ("fast", "absent", None)]
    how = {"fast": "CUDA graph", "slow": "eager"}
    found = batch_speed(sampled, 8, how, {"fast": 0.99}, pairs, GpuState(temperature=50))
    assert (found.batch, found.rounds, found.state.temperature) == (8, 9, 50)
    assert [(ratio.fast, ratio.slow) for ratio in found.ratios] == [("fast", "slow"), ("slow", "fast")]
    ratio = found.ratios[0]
    assert ratio.ratio == pytest.approx(3.0)
    assert ratio.interval == pytest.approx((3.0, 3.0))
    assert ratio.share_of_bound == pytest.approx(3.0 / 5.0)
    assert found.ratios[1].share_of_bound is None
    fast, slow = found.candidates
    assert (fast.how, slow.how) == ("CUDA graph", "eager")
    assert (fast.likeness, slow.likeness) == (0.99, None)
    assert fast.timing.median_milliseconds == pytest.approx(1)
    assert slow.timing.median_milliseconds == pytest.approx(3)
    assert fast.timing.per_second == pytest.approx(8e3)


def test_intervals_are_of_slow_over_fast_in_the_same_rounds() -> None:
    fast = np.random.default_rng(0).gamma(9.0, 0.1, 21)
    slow = 2 * fast + np.random.default_rng(1).gamma(9.0, 0.01, 21)
    sampled = Sampled({"fast": fast, "slow": slow}, {"fast": 1, "slow": 1}, 3)
    found = batch_speed(sampled, 1, {"fast": "", "slow": ""}, {}, [("fast", "slow", None)], GpuState())
    assert found.ratios[0].interval == bootstrap_interval(fast, slow)
    assert found.ratios[0].ratio == pytest.approx(np.median(slow) / np.median(fast))
