"""CLIP ViT-B/16 in PyTorch, its merges computed by the CUDA kernels on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from pitome import load_model
from pitome.merge import MergeResult, apply_assignment, merge
from pitome.op import _energy_merge
from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import HostLibrary
from pitome.validate.parity.decisions import judge, same_groups
from pitome.validate.parity.rounding import Tolerance
from tests.compressed import compress_with
from tests.pitome.test_merge import rounding

Merge = Callable[[Tensor, Tensor, Tensor, MergeParameters], MergeResult]


class Call(NamedTuple):
    """One merge that the library did."""

    metric: Tensor
    size: Tensor
    parameters: MergeParameters
    result: MergeResult


@contextmanager
def merging_by(merge_tokens: Merge) -> Iterator[None]:
    """While this lasts, it computes ``pitome::energy_merge`` on the CPU."""

    def register(function: Merge) -> None:
        def kernel(x: Tensor, metric: Tensor, size: Tensor, *attributes: Any) -> tuple[Tensor, ...]:
            return tuple(function(x, metric, size, MergeParameters(*attributes)))

        _energy_merge.register_kernel("cpu")(kernel)

    register(merge_tokens)
    try:
        yield
    finally:
        register(merge)  # a kernel can be replaced, not taken back


def assert_within_rounding(call: Call) -> None:
    """The library's groups are the reference's on the same inputs, or the float64 judge excuses them."""
    expected = merge(call.metric, call.metric, call.size, call.parameters).assignment
    eps = rounding(call.parameters, call.metric.shape[2])
    for image, same in enumerate(same_groups(call.result.assignment, expected).tolist()):
        if same:
            continue
        found, metric = call.result.assignment[image], call.metric[image].double()
        assert judge(found, metric, call.size[image], call.parameters, Tolerance(eps, eps)).explained


@pytest.mark.full
@pytest.mark.parametrize("metric", ["hidden", "keys"])
def test_clip_has_the_reference_s_embedding(metric: str) -> None:
    """With the library's decisions in all layers; each of them is judged by itself."""
    loaded = load_model("clip-b16", weights="random")
    merged = compress_with(loaded.model, ratio=0.9, metric=metric).eval()
    images = torch.randn(4, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    library, calls = HostLibrary(), list[Call]()

    def by_kernels(x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> MergeResult:
        inputs = [tensor.contiguous() for tensor in (x, metric, size)]
        result = library.merge(inputs[0], inputs[1], inputs[2], parameters)
        calls.append(Call(metric, size, parameters, result))
        return result

    def forced(x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> MergeResult:
        assignment = next(decisions)
        return apply_assignment(x, size, assignment, x.shape[1] - parameters.num_merged)

    with torch.no_grad():
        with merging_by(by_kernels):
            found = merged(images).image_embeds
        decisions = iter([call.result.assignment for call in calls])
        with merging_by(forced):
            expected = merged(images).image_embeds
        free = merged(images).image_embeds

    assert [call.metric.shape[1] for call in calls] == [197, 178, 161, 145, 131, 118, 107, 97, 88, 80, 73, 66]
    for call in calls:
        assert_within_rounding(call)
    largest = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * largest)
    # Most images meet no decision that rounding can turn: their embedding is the reference's own.
    equal = ((found - free).abs().amax(dim=1) <= 1e-5 * largest).sum()
    assert equal >= len(images) // 2
