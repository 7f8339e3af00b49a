"""Did the machine stay the same while something was measured? Judged on the measured rounds themselves.

Two checks, each of a test (is it more than chance?) and of a size (does it matter?): the medians of the
first and the second half with the rank-sum test, and the trend with the Mann-Kendall test and Theil and Sen's
slope.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Series = npt.NDArray[np.float64]
"""[rounds] float64, in the order in which they were taken."""

MIN_ROUNDS = 8
"""Below this the tests' normal approximations do not hold."""
SIGNIFICANT = 0.01
LARGE = 0.03
"""Change of the median, or drift over all rounds, relative to the median, from which on it matters."""


@dataclass(frozen=True)
class Steadiness:
    """``steady`` is None where there are too few rounds to tell; ``reason`` says why it is not True."""

    steady: bool | None
    reason: str | None


def steadiness(series: Series) -> Steadiness:
    """Judge the times of one contestant, or the ratios of two.

    Args:
        series: [rounds] positive numbers, in the order in which they were taken.
    """
    if len(series) < MIN_ROUNDS:
        return Steadiness(None, f"{len(series)} rounds are too few to tell")
    first, second = series[: len(series) // 2], series[len(series) // 2 :]
    change = float(np.median(second) / np.median(first)) - 1
    if abs(change) > LARGE and rank_sum_p(first, second) < SIGNIFICANT:
        return Steadiness(False, f"{_percent(change)} in the second half of the rounds")
    drift = theil_sen_slope(series) * (len(series) - 1) / float(np.median(series))
    if abs(drift) > LARGE and mann_kendall_p(series) < SIGNIFICANT:
        return Steadiness(False, f"a trend of {_percent(drift)} over the rounds")
    return Steadiness(True, None)


def mann_kendall_p(series: Series) -> float:
    """Two-sided p-value that a series has no monotone trend, by the normal approximation with ties.

    Source: Mann, Nonparametric tests against trend (1945); Kendall, Rank Correlation Methods (1975).
    """
    count = len(series)
    later, earlier = np.tril_indices(count, -1)
    score = float(np.sign(series[later] - series[earlier]).sum())
    ties = np.unique(series, return_counts=True)[1].astype(float)
    variance = (
        count * (count - 1) * (2 * count + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())
    ) / 18
    return _two_sided(abs(score) - 1, variance)


def theil_sen_slope(series: Series) -> float:
    """Median of the slopes between all pairs of entries, per round.

    Source: Sen, Estimates of the regression coefficient based on Kendall's tau (1968).
    """
    later, earlier = np.tril_indices(len(series), -1)
    return float(np.median((series[later] - series[earlier]) / (later - earlier)))


def rank_sum_p(first: Series, second: Series) -> float:
    """Two-sided p-value that two samples are from one distribution, by the normal approximation with ties.

    Source: Mann and Whitney, On a test of whether one of two random variables is stochastically larger than
    the other (1947).
    """
    m, n = len(first), len(second)
    wins = float((np.sign(second[None, :] - first[:, None]) + 1).sum()) / 2
    ties = np.unique(np.concatenate([first, second]), return_counts=True)[1].astype(float)
    total = m + n
    variance = m * n / 12 * (total + 1 - float((ties**3 - ties).sum()) / (total * (total - 1)))
    return _two_sided(abs(wins - m * n / 2) - 0.5, variance)


def _two_sided(distance: float, variance: float) -> float:
    """P-value of a distance from the mean (continuity corrected); 1 where all values are equal."""
    if variance <= 0 or distance <= 0:
        return 1.0
    return math.erfc(distance / math.sqrt(2 * variance))


def _percent(change: float) -> str:
    return f"{100 * change:+.1f} %"
