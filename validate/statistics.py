"""Means and paired differences with 95 % intervals: the same samples went through both models.

Ones and zeros (right or wrong) get Wilson's interval for a mean (Wilson 1927) and the exact test of McNemar
(1947) for a difference. Everything else is resampled, whole groups at a time where samples belong together:
Efron's percentile bootstrap with end points moved outwards so that few groups do not give too narrow an
interval (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", the expanded percentile interval),
and a test that flips the signs of differences. All of it is seeded. An interval covers the choice of samples
only, not that of the training documents or of a head fitted to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError

CONFIDENCE = 0.95
RESAMPLES = 10_000
_CHUNK = 4_000_000
"""Random numbers drawn at a time."""
_FEW_VALUES = 64
"""Up to so many different groups the counts of a resample are drawn instead of its members."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float
    method: str


@dataclass(frozen=True)
class PairedDifference:
    """The mean of first minus second, in the unit of the values, with its 95 % interval."""

    mean: float
    low: float
    high: float
    p_value: float
    """Two-sided, of "there is no difference"."""
    method: str


def mean_interval(values: npt.ArrayLike, seed: int = 0, groups: npt.ArrayLike | None = None) -> Interval:
    """The mean of values [n] and the interval of the mean over all samples that might have been drawn.

    Args:
        values: one number per sample.
        seed: of the bootstrap.
        groups: [n] equal numbers for samples that belong together; None = each on its own.

    Raises:
        InputError: fewer than two samples or groups, or numbers that are not finite.
    """
    array = _checked(values)
    mean = float(array.mean())
    if groups is None and _is_binary(array):
        low, high = wilson_interval(round(float(array.sum())), len(array))
        return Interval(mean, low, high, "Wilson")
    sums, counts = _group_sums(array, groups)
    low, high = _bootstrap_interval(sums, counts, seed)
    return Interval(mean, low, high, _bootstrap_name(groups))


def paired_difference(
    first: npt.ArrayLike, second: npt.ArrayLike, seed: int = 0, groups: npt.ArrayLike | None = None
) -> PairedDifference:
    """Mean of ``first - second`` over the same samples, with interval and p-value.

    Ones and zeros without groups: McNemar's exact p-value and a bootstrap interval, or, where no sample
    differs, the bound that so many equal samples give (Clopper and Pearson 1934). Otherwise a bootstrap
    interval and the p-value of sign flips.

    Raises:
        InputError: arrays of different lengths, fewer than two samples or groups, or numbers not finite.
    """
    one, two = _checked(first), _checked(second)
    if len(one) != len(two):
        raise InputError(
            "a paired difference",
            f"{len(one)} values against {len(two)}",
            "Judge both models on the same samples",
        )
    difference = one - two
    mean = float(difference.mean())
    sums, counts = _group_sums(difference, groups)
    if groups is None and _is_binary(one) and _is_binary(two):
        gained, lost = int((difference > 0).sum()), int((difference < 0).sum())
        p_value = mcnemar_p_value(gained, lost)
        if gained + lost == 0:
            bound = 1 - ((1 - CONFIDENCE) / 2) ** (1 / len(one))
            return PairedDifference(mean, -bound, bound, p_value, "McNemar exact, Clopper-Pearson bound")
        low, high = _bootstrap_interval(sums, counts, seed)
        return PairedDifference(mean, low, high, p_value, f"McNemar exact, {_bootstrap_name(None)}")
    low, high = _bootstrap_interval(sums, counts, seed)
    return PairedDifference(
        mean, low, high, sign_flip_p_value(sums, seed), f"sign flips, {_bootstrap_name(groups)}"
    )


def mcnemar_p_value(gained: int, lost: int) -> float:
    """Two-sided exact binomial p-value of ``gained`` against ``lost`` differing pairs."""
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
    """Wilson's score interval of a proportion."""
    from scipy.stats import binomtest

    interval = binomtest(successes, count).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def sign_flip_p_value(differences: Values, seed: int = 0, resamples: int = RESAMPLES) -> float:
    """Two-sided p-value of a paired permutation test: how often random signs give as large a sum.

    Args:
        differences: [g], one per sample, or the sum of each group.
        seed: of the signs.
        resamples: draws; the observed sum counts as one more, so that the result is never 0.
    """
    observed = abs(float(differences.sum()))
    if not differences.any():
        return 1.0
    generator = np.random.default_rng(seed)
    slack = 1e-9 * float(np.abs(differences).sum())  # equal sums may differ in their last bits
    at_least = 0
    for draws in _chunks(resamples, len(differences)):
        signs = generator.integers(2, size=(draws, len(differences)), dtype=np.int8) * 2.0 - 1.0
        at_least += int((np.abs(signs @ differences) >= observed - slack).sum())
    return (at_least + 1) / (resamples + 1)


def resampled_means(
    sums: Values, counts: Values, seed: int = 0, resamples: int = RESAMPLES
) -> npt.NDArray[np.float64]:
    """[resamples] means of as many groups as there are, drawn with replacement; group g has ``counts[g]``
    samples that sum to ``sums[g]``."""
    generator = np.random.default_rng(seed)
    groups = len(sums)
    different, frequency = np.unique(np.stack([sums, counts], axis=1), axis=0, return_counts=True)
    if len(different) <= _FEW_VALUES:
        drawn = generator.multinomial(groups, frequency / groups, size=resamples)
        return np.asarray((drawn @ different[:, 0]) / (drawn @ different[:, 1]))
    means = []
    for draws in _chunks(resamples, groups):
        chosen = generator.integers(groups, size=(draws, groups))
        means.append(sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1))
    return np.concatenate(means)


def _bootstrap_interval(sums: Values, counts: Values, seed: int) -> tuple[float, float]:
    """Percentiles of ``resampled_means``, moved outwards as for Student's t with one group less."""
    from scipy.stats import norm, t

    groups = len(sums)
    if groups == 1:
        raise InputError(
            "a confidence interval",
            "there is 1 independent sample",
            "Take at least two samples (photos, documents)",
        )
    tail = (1 - CONFIDENCE) / 2
    moved = float(norm.cdf(np.sqrt(groups / (groups - 1)) * t.ppf(tail, groups - 1)))
    low, high = np.quantile(resampled_means(sums, counts, seed), [moved, 1 - moved])
    return float(low), float(high)


def _group_sums(values: Values, groups: npt.ArrayLike | None) -> tuple[Values, Values]:
    """Sum and number of the values of each group."""
    if groups is None:
        return values, np.ones_like(values)
    numbers = np.asarray(groups)
    if numbers.shape != values.shape:
        raise InputError(
            "a confidence interval by groups",
            f"{numbers.size} group numbers for {len(values)} values",
            "Give one group number per value",
        )
    _, places = np.unique(numbers, return_inverse=True)
    return np.bincount(places, values).astype(np.float64), np.bincount(places).astype(np.float64)


def _checked(values: npt.ArrayLike) -> Values:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or len(array) < 2 or not np.isfinite(array).all():
        found = (
            f"an array of shape {array.shape}"
            if array.ndim != 1 or len(array) < 2
            else f"{int((~np.isfinite(array)).sum())} of {len(array)} numbers are not finite"
        )
        raise InputError(
            "an interval of a mean", found, "Give one finite number for each of two samples or more"
        )
    return array


def _is_binary(values: Values) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())


def _bootstrap_name(groups: Sequence[Any] | npt.ArrayLike | None) -> str:
    return "bootstrap" if groups is None else "bootstrap by group"


def _chunks(total: int, width: int) -> Iterator[int]:
    size = max(1, _CHUNK // width)
    for start in range(0, total, size):
        yield min(size, total - start)
