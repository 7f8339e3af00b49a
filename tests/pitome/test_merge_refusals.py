"""What the merge refuses, and in which words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pitome.errors import InputError
from pitome.merge import merge
from pitome.parameters import MergeParameters, Split, rank_slices


def wrong(**changes: Tensor) -> dict[str, Tensor]:
    inputs = {"x": torch.randn(2, 9, 4), "metric": torch.randn(2, 9, 3), "size": torch.ones(2, 9, 1)}
    return {**inputs, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x": torch.randn(9, 4)},
            r"x has the shape \(9, 4\) and metric \(2, 9, 3\)\. Give both three dimensions",
        ),
        ({"metric": torch.randn(2, 9)}, r"x has the shape \(2, 9, 4\) and metric \(2, 9\)\. Give both three"),
        (
            {"metric": torch.randn(3, 9, 3)},
            r"metric \(3, 9, 3\)\. Give both three dimensions and the same B and N",
        ),
        (
            {"metric": torch.randn(2, 8, 3)},
            r"metric \(2, 8, 3\)\. Give both three dimensions and the same B and N",
        ),
        (
            {"size": torch.ones(2, 9)},
            r"size \[2, 9, 1\] float32: size has the shape \(2, 9\) and dtype torch.float32",
        ),
        (
            {"size": torch.ones(1, 9, 1)},
            r"size has the shape \(1, 9, 1\).*Give one float32 size for every token",
        ),
        ({"size": torch.ones(2, 9, 1).half()}, r"size has the shape \(2, 9, 1\) and dtype torch.float16"),
        (
            {"x": torch.ones(2, 9, 4).int()},
            r"x is torch.int32 and metric is torch.float32\. Use float32, float16 or",
        ),
        (
            {"metric": torch.randn(2, 9, 3).half()},
            r"x is torch.float32 and metric is torch.float16\. Use float32",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(changes: dict[str, Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        merge(**wrong(**changes), parameters=MergeParameters(2, 4))


@pytest.mark.parametrize(
    ("num_merged", "num_candidates", "num_protected", "num_tokens"),
    [(0, 4, 1, 9), (-1, 4, 1, 9), (3, 5, 1, 9), (5, 10, 0, 9), (2, 9, 1, 9), (1, 2, 1, 2), (1, 2, 5, 3)],
    ids=["none", "negative", "M<2r", "r>T/2", "M>T", "T=1", "prefix>N"],
)
def test_counts_that_do_not_fit_are_refused(
    num_merged: int, num_candidates: int, num_protected: int, num_tokens: int
) -> None:
    parameters = MergeParameters(num_merged, num_candidates, num_protected)
    left = max(num_tokens - num_protected, 0)
    with pytest.raises(InputError, match=r"num_merged.*the operator needs 0 < 2 num_merged") as refused:
        parameters.check(num_tokens)
    assert f"num_merged={num_merged} with num_candidates={num_candidates}" in refused.value.asked
    assert refused.value.remedy.startswith(f"Merge at most {left // 2} tokens here")
    x = torch.zeros(1, num_tokens, 2)
    with pytest.raises(InputError, match="the operator needs 0 < 2 num_merged"):
        merge(x, x, torch.ones(1, num_tokens, 1), parameters)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": "size"}, "order='size': the operator knows energy, position. Choose one of these"),
        (
            {"function": "relu"},
            "function='relu': the operator knows piecewise, gaussian. Choose one of these",
        ),
        (
            {"split": "random"},
            "split='random': the operator knows alternate, alternate_second, half. Choose one of these",
        ),
        ({"margin": float("nan")}, "margin=nan: not a finite number"),
        ({"margin": 1e39}, "margin=1e+39: beyond 2^10 = 1024, which is the operator's limit"),
        ({"margin": -1024.1}, "margin=-1024.1: beyond 2^10 = 1024"),
        ({"offset": 1025.0}, "offset=1025.0: beyond 2^10 = 1024"),
        ({"alpha": -2000.0}, "alpha=-2000.0: beyond 2^10 = 1024"),
        ({"size_penalty": 1025.0}, "size_penalty=1025.0: beyond 2^10 = 1024"),
        ({"width": 1025.0}, "width=1025.0: beyond 2^10 = 1024"),
        ({"width": 0.0}, "width=0.0: below 2^-10 = 0.0009765625. Give a number from 2^-10 to 2^10"),
        ({"width": -1.0}, "width=-1.0: below 2^-10"),
        ({"width": 2.0**-10 * (1 - 2.0**-23)}, "width=0.00097656238"),
        ({"alpha": float("inf")}, "alpha=inf: not a finite number"),
        ({"size_penalty": -0.1}, "size_penalty=-0.1: negative. Give zero or a positive number"),
        (
            {"function": "gaussian", "margin": 1.0},
            "margin=1.0 with the gaussian energy: its width is 1 - margin",
        ),
        # The nearest float32 is 1.
        (
            {"function": "gaussian", "margin": 0.99999999},
            "margin=1.0 with the gaussian energy: its width is 1 - margin",
        ),
        ({"num_protected": -1}, "num_protected=-1: negative. Give zero or more"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        MergeParameters(**{"num_merged": 1, "num_candidates": 2, **changes})
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("name", ["margin", "offset", "alpha", "size_penalty", "width"])
def test_the_largest_amounts_are_taken(name: str) -> None:
    """Judged after rounding: the next larger double is the same float32."""
    assert getattr(MergeParameters(1, 2, **{name: math.nextafter(1024.0, math.inf)}), name) == 1024.0


def test_the_smallest_width_is_taken() -> None:
    assert MergeParameters(1, 2, width=math.nextafter(2.0**-10, 0)).width == 2.0**-10


def test_floats_are_float32_from_the_start() -> None:
    parameters = MergeParameters(1, 2, margin=0.3, offset=0.1, width=0.01, alpha=0.7, size_penalty=0.05)
    for name, given in {
        "margin": 0.3,
        "offset": 0.1,
        "width": 0.01,
        "alpha": 0.7,
        "size_penalty": 0.05,
    }.items():
        assert getattr(parameters, name) == float(np.float32(given)) != given


@pytest.mark.parametrize(
    ("split", "candidates", "wanted"),
    [
        ("alternate", 7, (0, 7, 1, 7, 2)),
        ("alternate", 8, (0, 8, 1, 8, 2)),
        ("alternate_second", 7, (1, 7, 0, 7, 2)),
        ("half", 7, (0, 4, 4, 7, 1)),
        ("half", 8, (0, 4, 4, 8, 1)),
    ],
)
def test_splits_as_slices_of_the_ranks(split: Split, candidates: int, wanted: tuple[int, ...]) -> None:
    """DESIGN.md, the operator: the twins."""
    assert rank_slices(split, candidates) == wanted
