from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from pitome.validate.bench.stationarity import mann_kendall_p, rank_sum_p, steadiness, theil_sen_slope

# A few distinct values, so that ties are usual.
series = st.lists(st.integers(1, 12), min_size=3, max_size=25)


def normal_p(distance: float, variance: float) -> float:
    if variance <= 0 or distance <= 0:
        return 1.0
    return 2 * scipy.stats.norm.sf(distance / math.sqrt(variance))


def slow_mann_kendall(values):
    """Straight from the definition: count pairs, then tied groups."""
    score = sum((b > a) - (b < a) for a, b in combinations(values, 2))
    n = len(values)
    variance = n * (n - 1) * (2 * n + 5)
    for value in set(values):
        tied = values.count(value)
        variance -= tied * (tied - 1) * (2 * tied + 5)
    return normal_p(abs(score) - 1, variance / 18)


def slow_slope(values):
    slopes = sorted((values[j] - values[i]) / (j - i) for i, j in combinations(range(len(values)), 2))
    middle = len(slopes) // 2
    return slopes[middle] if len(slopes) % 2 else (slopes[middle - 1] + slopes[middle]) / 2


@given(series)
@settings(max_examples=100, deadline=None)
def test_trend_is_what_the_definition_says(values):
    array = np.array(values, float)
    assert mann_kendall_p(array) == pytest.approx(slow_mann_kendall(values), rel=1e-9)
    assert theil_sen_slope(array) == pytest.approx(slow_slope(values), rel=1e-12, abs=1e-12)


@given(first=series, second=series)
@settings(max_examples=100, deadline=None)
def test_rank_sum_is_scipys(first, second):
    wanted = scipy.stats.mannwhitneyu(first, second, method="asymptotic", use_continuity=True).pvalue
    found = rank_sum_p(np.array(first, float), np.array(second, float))
    # scipy gives 0/0 where all values are equal; a distance below the correction counts as none here.
    assert found == pytest.approx(1.0 if math.isnan(wanted) else min(1.0, wanted), rel=1e-9)


def noisy(rounds, seed, spread=0.02):
    return np.random.default_rng(seed).lognormal(0, spread, rounds)


@pytest.mark.parametrize("rounds", [11, 40, 300])
@pytest.mark.parametrize("spread", [0.01, 0.2])
def test_noise_alone_is_rarely_called_unsteady(rounds, spread):
    trials = 200
    alarms = sum(steadiness(noisy(rounds, seed, spread)).steady is False for seed in range(trials))
    # Two tests at 1 %: at most 2 % of 200 trials, four binomial deviations of 2.0 above that.
    assert alarms <= 4 + 4 * 2.0


def test_equal_times_are_steady():
    found = steadiness(np.ones(20))
    assert (found.steady, found.reason) == (True, None)


def test_a_step_is_found():
    times = noisy(40, 0)
    times[20:] *= 1.1
    found = steadiness(times)
    assert found.steady is False
    assert found.reason is not None
    assert found.reason.endswith(" % in the second half of the rounds")
    assert found.reason.startswith("+")


def test_a_trend_is_found():
    # Two halves differ by half of what the ends do: below the limit, so only the trend tells.
    found = steadiness(noisy(200, 1, 0.002) * np.linspace(1.05, 1.0, 200))
    assert found.steady is False
    assert found.reason is not None
    assert found.reason.startswith("a trend of -")
    assert found.reason.endswith(" % over the rounds")


def test_a_real_drift_too_small_to_matter_is_steady():
    times = noisy(400, 2, 0.001) * np.linspace(1.0, 1.01, 400)
    assert mann_kendall_p(times) < 1e-6
    assert steadiness(times).steady is True


def test_few_rounds_are_neither():
    found = steadiness(np.array([1.0, 2.0, 3.0]))
    assert (found.steady, found.reason) == (None, "3 rounds are too few to tell")
