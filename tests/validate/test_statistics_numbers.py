"""Numbers of the statistics that can be written down: tables, counts of resamples, and whole small spaces."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitome.validate import statistics
from pitome.validate.statistics import (
    RESAMPLES,
    mean_interval,
    paired_difference,
    resampled_means,
    sign_flip_p_value,
)

T_TABLE = {2: 12.70620, 3: 4.302653, 5: 2.776445, 12: 2.200985, 31: 2.042272}
"""Student's t at 97.5 % with one degree of freedom less than groups, as printed tables have it."""


def expanded_tail(groups: int) -> float:
    """Hesterberg's expanded percentile: the normal tail at sqrt(n / (n - 1)) times Student's t."""
    return math.erfc(math.sqrt(groups / (groups - 1)) * T_TABLE[groups] / math.sqrt(2)) / 2


@pytest.mark.parametrize("groups", T_TABLE)
def test_the_end_points_are_those_of_the_expanded_percentile(groups: int) -> None:
    values = np.random.default_rng(groups).normal(size=groups)
    found = mean_interval(values, seed=3)
    tail = expanded_tail(groups)
    wanted = np.quantile(resampled_means(values, np.ones(groups), seed=3), [tail, 1 - tail])
    assert (found.mean, found.method) == (pytest.approx(values.mean()), "bootstrap")
    assert [found.low, found.high] == pytest.approx(list(wanted), abs=1e-5 * np.ptp(values))


def test_ten_thousand_resamples_are_drawn() -> None:
    generator = np.random.default_rng(0)
    for groups in (8, 1500):  # counts of few values; members of many, in parts
        values = generator.normal(size=groups)
        assert len(resampled_means(values, np.ones(groups))) == RESAMPLES == 10_000
    assert sign_flip_p_value(np.ones(60)) == pytest.approx(1 / 10_001)
    assert sign_flip_p_value(np.linspace(1, 2, 1500)) == pytest.approx(1 / 10_001)


@pytest.mark.parametrize("resamples", [1, 7, 100])
def test_the_observed_signs_count_as_one_of_the_resamples(resamples: int) -> None:
    """No random signs reach the sum of 200 equal differences, and the p-value is no 0."""
    assert sign_flip_p_value(np.ones(200), resamples=resamples) == 1 / (resamples + 1)
    assert sign_flip_p_value(-np.ones(200), resamples=resamples) == 1 / (resamples + 1)


@settings(deadline=None, max_examples=20)
@given(
    differences=st.lists(st.integers(-5, 5), min_size=1, max_size=7),
    scale=st.sampled_from([1.0, 0.1, 1e8 / 3]),
)
def test_sign_flips_match_the_enumeration_also_where_sums_are_equal(
    differences: list[int], scale: float
) -> None:
    """0.1 + 0.2 - 0.3 is not 0 in floating point, and the sums still count as equal."""
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    exact = sum(value >= abs(sum(differences)) for value in sums) / len(sums)
    found = sign_flip_p_value(np.array(differences) * scale)
    assert found == pytest.approx(exact, abs=0.025)  # 5 errors of 10,000 draws


def test_the_seed_is_0_where_none_is_given() -> None:
    first, second = np.random.default_rng(0).normal(size=(2, 200))
    ones = np.ones(200)
    assert mean_interval(first) == mean_interval(first, seed=0) != mean_interval(first, seed=1)
    assert paired_difference(first, second) == paired_difference(first, second, seed=0)
    assert sign_flip_p_value(first) == sign_flip_p_value(first, seed=0) != sign_flip_p_value(first, seed=1)
    assert (resampled_means(first, ones) == resampled_means(first, ones, seed=0)).all()


def test_the_seed_is_that_of_every_part() -> None:
    generator = np.random.default_rng(0)
    few, many = generator.normal(size=(2, 20)), generator.integers(2, size=(2, 100_000))
    for one, two in (few, many):
        found = [paired_difference(one, two, seed=seed) for seed in (5, 5, 6)]
        assert found[0] == found[1]
        assert found[0].high != found[2].high
    assert paired_difference(*few, seed=5).p_value != paired_difference(*few, seed=6).p_value


def test_sums_that_rounding_parts_count_as_equal_at_any_scale() -> None:
    """3 + 3 + 3 - 6 is 3, as are other signs of these; no signs give less."""
    for scale in (1e-9, 0.1, 1e8):
        assert sign_flip_p_value(np.array([3.0, 3.0, 3.0, -6.0]) * 0.1 * scale, resamples=200) == 1


def test_differences_of_zero_only_prove_nothing() -> None:
    assert sign_flip_p_value(np.zeros(5)) == 1


def test_drawing_in_parts_changes_nothing_but_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=100)
    whole = resampled_means(values, np.ones(100), resamples=50)
    monkeypatch.setattr(statistics, "_CHUNK", 700)
    assert list(statistics._chunks(50, 100)) == [7] * 7 + [1]
    assert (resampled_means(values, np.ones(100), resamples=50) == whole).all()
    assert sign_flip_p_value(np.array([1.0, -1.0] * 50), resamples=50) == 1  # no sum is below that of 0
    assert list(statistics._chunks(3, 701)) == [1, 1, 1]
    assert list(statistics._chunks(700, 1)) == [700]


def test_ones_and_zeros_in_groups_are_judged_by_group() -> None:
    """Six documents with ten sentences each, all of a document right or wrong together."""
    first = np.repeat([1.0, 1.0, 1.0, 1.0, 1.0, 0.0], 10)
    second = np.repeat([0.0, 0.0, 0.0, 1.0, 0.0, 0.0], 10)
    groups = np.repeat(np.arange(6), 10)
    found = paired_difference(first, second, seed=2, groups=groups)
    by_document = paired_difference(first[::10] - second[::10] + 2, np.full(6, 2.0), seed=2)
    assert found.method == "sign flips, bootstrap by group"
    assert (found.mean, found.low, found.high, found.p_value) == pytest.approx(
        (by_document.mean, by_document.low, by_document.high, by_document.p_value)
    )
    assert found.p_value == pytest.approx(2 / 16, abs=0.02)  # sixty samples by McNemar would give 2e-12
    alone = paired_difference(first, second, seed=2)
    assert (alone.method, alone.p_value < 1e-10) == ("McNemar exact, bootstrap", True)


def test_a_share_in_groups_is_no_binomial() -> None:
    values, groups = np.repeat([0.0, 1.0, 1.0], 4), np.repeat([7, 3, 5], 4)
    found = mean_interval(values, groups=groups)
    assert (found.method, found.mean) == ("bootstrap by group", pytest.approx(2 / 3))
    assert mean_interval(values).method == "Wilson"


def test_groups_count_by_their_samples() -> None:
    """A group of three and one of one: resampled means are sums of members over numbers of members."""
    means = resampled_means(np.array([3.0, 0.0]), np.array([3.0, 1.0]), resamples=2000)
    assert set(means.round(9)) == {0.0, 0.75, 1.0}
    assert (means == 0.75).mean() == pytest.approx(0.5, abs=0.06)


def test_many_groups_count_by_their_samples_too() -> None:
    counts = np.arange(1.0, 101)  # more different groups than are drawn by count
    means = resampled_means(2 * counts, counts, resamples=20)
    assert means == pytest.approx(np.full(20, 2.0))


def test_one_of_two_different_ones_and_zeros_is_enough_for_the_bootstrap() -> None:
    found = paired_difference([1, 0, 1, 1], [1, 1, 0, 0])
    assert (found.method, found.mean, found.p_value) == ("McNemar exact, bootstrap", 0.25, pytest.approx(1))
    assert paired_difference([1, 0], [0, 1]).method == "McNemar exact, bootstrap"
    for one, two, mean in (([1, 0, 1, 1], [1, 0.5, 0, 0], 0.375), ([1, 0.5, 0, 0], [1, 0, 1, 1], -0.375)):
        shares = paired_difference(one, two)
        assert (shares.method, shares.mean) == ("sign flips, bootstrap", mean)


def test_true_and_false_are_ones_and_zeros() -> None:
    right, wrong = np.array([True, False, True]), np.array([True, True, False])
    assert mean_interval(right) == mean_interval([1, 0, 1])
    assert paired_difference(right, wrong) == paired_difference([1, 0, 1], [1, 1, 0])


def test_the_bound_of_no_difference_is_that_of_clopper_and_pearson() -> None:
    """No success in n trials: the upper end of the exact interval is 1 - 0.025^(1/n)."""
    found = paired_difference([0, 1], [0, 1])
    assert found.high == pytest.approx(1 - math.sqrt(0.025))
    assert found.method == "McNemar exact, Clopper-Pearson bound"
