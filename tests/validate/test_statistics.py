"""Intervals and tests against slow, obvious references."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitome.errors import InputError
from pitome.validate.statistics import (
    mcnemar_p_value,
    mean_interval,
    paired_difference,
    resampled_means,
    sign_flip_p_value,
    wilson_interval,
)

FINITE = "Give one finite number for each of two samples or more"
BITS = st.lists(st.integers(0, 1), min_size=2, max_size=40)


def slow_mcnemar(gained, lost):
    """Twice the smaller binomial tail, at most 1: the differing pairs are fair coins."""
    total = gained + lost
    tail = sum(comb(total, count) for count in range(min(gained, lost) + 1)) / 2**total
    return min(1.0, 2 * tail)


@settings(deadline=None)
@given(gained=st.integers(0, 30), lost=st.integers(0, 30))
def test_mcnemar_is_the_exact_binomial_test(gained, lost):
    assert mcnemar_p_value(gained, lost) == pytest.approx(slow_mcnemar(gained, lost), rel=1e-9)


def test_wilson_solves_its_own_equation():
    """The end points are where the score test is at its critical value."""
    for successes, count in ((0, 7), (3, 7), (96, 100), (100, 100)):
        for end in wilson_interval(successes, count):
            if 0 < end < 1:
                score = (successes / count - end) / np.sqrt(end * (1 - end) / count)
                assert abs(score) == pytest.approx(1.959964, abs=1e-5)


def test_sign_flips_match_the_enumeration_of_all_signs():
    differences = np.array([0.3, -0.1, 0.25, 0.4, 0.05, -0.02, 0.5, 0.1])
    sums = [abs(float(np.dot(signs, differences))) for signs in product((-1, 1), repeat=len(differences))]
    exact = np.mean([value >= abs(differences.sum()) - 1e-12 for value in sums])
    assert sign_flip_p_value(differences) == pytest.approx(exact, abs=0.006)  # 3 errors of 10,000 draws


def test_resampled_means_of_few_and_many_values_are_the_same_distribution():
    """Two ways to draw: counts of equal groups, and members one by one."""
    few = np.repeat([0.0, 1.0], [30, 50])
    many = few + np.linspace(0, 1e-9, len(few))  # all different, so they are drawn one by one
    ones = np.ones_like(few)
    first, second = resampled_means(few, ones, seed=1), resampled_means(many, ones, seed=2)
    error = few.std() / np.sqrt(len(few))
    assert first.std() == pytest.approx(error, rel=0.03)
    assert second.std() == pytest.approx(error, rel=0.03)
    assert first.mean() == pytest.approx(second.mean(), abs=4 * error / 100)


@pytest.mark.parametrize("grouped", [False, True])
def test_the_bootstrap_covers_the_truth_about_19_times_in_20(grouped):
    """200 samples of a known distribution; 0.95 +- 3 errors is 0.904 to 0.996."""
    generator = np.random.default_rng(0)
    hits = 0
    for repeat in range(200):
        if grouped:  # 12 photos with 4 views each, that share most of their deviation
            groups = np.repeat(np.arange(12), 4)
            values = generator.normal(size=12)[groups] + 0.2 * generator.normal(size=48)
        else:
            groups, values = None, generator.normal(size=20)
        found = mean_interval(values, seed=repeat, groups=groups)
        hits += found.low <= 0 <= found.high
    assert 0.904 <= hits / 200 <= 0.996


def test_groups_make_the_interval_as_wide_as_that_of_the_group_means():
    values = np.array([0.1, 0.9, 0.4, 0.7, 0.2])
    repeated, groups = np.repeat(values, 50), np.repeat(np.arange(5), 50)
    alone, together = mean_interval(values, seed=3), mean_interval(repeated, seed=3, groups=groups)
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))
    assert together.method == "bootstrap by group"
    naive = mean_interval(repeated, seed=3)
    assert naive.high - naive.low < 0.3 * (together.high - together.low)


@settings(deadline=None, max_examples=30)
@given(pairs=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=60))
def test_a_difference_of_ones_and_zeros(pairs):
    first, second = np.array(pairs).T
    found, mirrored = paired_difference(first, second), paired_difference(second, first)
    assert found.mean == pytest.approx(first.mean() - second.mean())
    assert found.low <= found.mean + 1e-12
    assert found.high >= found.mean - 1e-12
    assert mirrored.mean == pytest.approx(-found.mean)
    assert mirrored.p_value == pytest.approx(found.p_value)
    gained, lost = int(((first == 1) & (second == 0)).sum()), int(((first == 0) & (second == 1)).sum())
    assert found.p_value == pytest.approx(slow_mcnemar(gained, lost) if gained + lost else 1.0)


def test_no_differing_sample_is_no_proof_of_equality():
    found = paired_difference([1, 0, 1, 1] * 25, [1, 0, 1, 1] * 25)
    assert (found.mean, found.p_value) == (0, 1)
    assert found.high == -found.low == pytest.approx(1 - 0.025 ** (1 / 100))
    assert "Clopper-Pearson" in found.method


def test_a_clear_difference_of_cosines_has_a_small_p_value_and_keeps_off_zero():
    generator = np.random.default_rng(0)
    first = 0.98 + 0.005 * generator.normal(size=60)
    found = paired_difference(first, first - 0.01 + 0.002 * generator.normal(size=60))
    assert 0 < found.low < 0.01 < found.high < 0.012
    assert found.p_value < 0.001
    assert found.method == "sign flips, bootstrap"


def test_the_same_seed_gives_the_same_numbers():
    values = np.random.default_rng(0).normal(size=(2, 200))
    assert paired_difference(*values, seed=5) == paired_difference(*values, seed=5)
    assert paired_difference(*values, seed=5) != paired_difference(*values, seed=6)


@settings(deadline=None)
@given(bits=BITS)
def test_the_interval_of_a_share_contains_it_and_stays_within_0_and_1(bits):
    found = mean_interval(bits)
    assert -1e-9 <= found.low <= found.mean <= found.high <= 1 + 1e-9
    assert found.method == "Wilson"


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: mean_interval([1.0]), f"an interval of a mean: an array of shape (1,). {FINITE}"),
        (lambda: mean_interval([[1, 2]]), f"an interval of a mean: an array of shape (1, 2). {FINITE}"),
        (
            lambda: mean_interval([0.5, float("nan"), 0.7]),
            f"an interval of a mean: 1 of 3 numbers are not finite. {FINITE}",
        ),
        (
            lambda: mean_interval([0.5, float("inf")]),
            f"an interval of a mean: 1 of 2 numbers are not finite. {FINITE}",
        ),
        (
            lambda: mean_interval([0.5, 0.7], groups=[1, 1]),
            "a confidence interval: there is 1 independent sample. "
            "Take at least two samples (photos, documents)",
        ),
        (
            lambda: mean_interval([0.5, 0.7], groups=[1]),
            "a confidence interval by groups: 1 group numbers for 2 values. Give one group number per value",
        ),
        (
            lambda: paired_difference([1, 0], [1, 0, 1]),
            "a paired difference: 2 values against 3. Judge both models on the same samples",
        ),
    ],
)
def test_what_can_not_be_judged_is_refused(act, message):
    with pytest.raises(InputError) as caught:
        act()
    assert str(caught.value) == message
