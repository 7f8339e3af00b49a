"""Measures of numbers and labels: values by hand, and what is not defined is said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pitome.models.answers import answer_kind
from pitome.validate.measures import has_direction, measure_labels, measure_numbers


def rows(*values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)


def test_numbers_by_hand() -> None:
    reference, ours = rows([3.0], [4.0], [0.0]), rows([3.0], [4.0], [1.0])
    error, correlation = measure_numbers(ours, reference)
    assert error.value == error.worst == pytest.approx(1 / 5)
    wanted = np.corrcoef([3, 4, 0], [3, 4, 1])[0, 1]
    assert correlation.value == correlation.worst == pytest.approx(wanted)
    assert correlation.undefined is None


def test_of_several_numbers_the_worst_is_told_too() -> None:
    reference = rows([1.0, 10.0], [2.0, 20.0], [3.0, 40.0])
    ours = rows([1.0, 10.0], [2.0, 20.0], [2.0, 40.0])
    error, correlation = measure_numbers(ours, reference)
    assert error.value == pytest.approx(1 / np.sqrt(14 + 2100))
    assert error.worst == pytest.approx(1 / np.sqrt(14))
    wanted = np.corrcoef([1, 2, 3], [1, 2, 2])[0, 1]
    assert correlation.worst == pytest.approx(wanted)
    assert correlation.value == pytest.approx((1 + wanted) / 2)


def test_a_cosine_would_call_all_of_this_perfect() -> None:
    """One number, half of it lost and its order turned round, and still the same sign."""
    reference, ours = rows([1.0], [2.0], [3.0]), rows([1.5], [1.0], [0.5])
    assert not has_direction(reference)
    error, correlation = measure_numbers(ours, reference)
    assert error.value is not None
    assert error.value > 0.7
    assert correlation.value == pytest.approx(-1)


@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_a_constant_has_no_correlation(noise: float) -> None:
    reference = 2 + noise * rows([0.0], [1.0], [-1.0])
    error, correlation = measure_numbers(reference.clone(), reference)
    assert error.value == 0
    assert (correlation.value, correlation.worst) == (None, None)
    assert correlation.undefined == (
        "the value is the same for every input, so that there is nothing to correlate with"
    )


def test_some_constants_among_others_are_counted() -> None:
    reference = rows([2.0, 1.0], [2.0, 3.0], [2.0, 4.0])
    _, correlation = measure_numbers(reference.clone(), reference)
    assert correlation.value == pytest.approx(1)
    assert correlation.undefined is not None
    assert correlation.undefined.startswith("1 of 2 values are the same for every input")


def test_a_model_that_collapses_correlates_with_nothing() -> None:
    _, correlation = measure_numbers(rows([2.0], [2.0], [2.0]), rows([1.0], [2.0], [4.0]))
    assert correlation.value == 0


def test_one_input_has_no_correlation_and_zeros_no_relative_error() -> None:
    _, correlation = measure_numbers(rows([2.0]), rows([2.0]))
    assert (correlation.value, correlation.undefined) == (None, "1 input has no correlation")
    error, _ = measure_numbers(rows([0.0], [0.0]), rows([0.0], [0.0]))
    assert (error.value, error.undefined) == (None, "the unmerged values are all zero")


def test_labels_by_hand() -> None:
    reference = rows([1.0, -1.0, 2.0], [-1.0, -2.0, 3.0])
    ours = rows([0.1, -5.0, -0.1], [-1.0, 0.5, 1.0])
    found = measure_labels(ours, reference)
    assert found.value == pytest.approx(4 / 6)
    assert found.worst == pytest.approx(1 / 2)


def test_a_label_that_is_no_number_agrees_with_nothing() -> None:
    found = measure_labels(rows([float("nan")]), rows([-1.0]))
    assert found.value == 0


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"num_labels": 1}, "numbers"),
        ({"num_labels": 1, "problem_type": "single_label_classification"}, "numbers"),
        ({"num_labels": 3, "problem_type": "regression"}, "numbers"),
        ({"num_labels": 3, "problem_type": "multi_label_classification"}, "labels"),
        ({"num_labels": 1, "problem_type": "multi_label_classification"}, "labels"),
        ({"num_labels": 3, "problem_type": None}, "classes"),
        ({"num_labels": 2, "problem_type": "single_label_classification"}, "classes"),
        ({}, "classes"),
    ],
)
def test_what_logits_are(config: dict[str, Any], kind: str) -> None:
    assert answer_kind(SimpleNamespace(**config)) == kind
