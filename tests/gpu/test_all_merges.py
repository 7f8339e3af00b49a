"""What is measured on a GPU, run on the CPU's build of the kernels: that it is the right work."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch

from pitome.merge import merge
from pitome.plugins.tools.merge_library import HOST_LIBRARY, HostLibrary
from pitome.settings import Metric
from pitome.validate.parity.passes import merging_layers
from tests.compressed import compress_with
from tests.gpu.all_merges import AllMerges, MergedModel
from tests.tiny_models import NUM_LAYERS, NUM_PATCHES, WIDTH, tiny_model

# tests.tiny_models' CLIP, whose heads are 16 wide.
TINY = MergedModel("tiny", NUM_LAYERS, NUM_PATCHES + 1, WIDTH, 16)
METRICS: tuple[Metric, ...] = ("hidden", "keys")


@pytest.mark.parametrize("metric", METRICS)
def test_the_merges_are_those_of_the_compressed_model(metric: Metric) -> None:
    merged = compress_with(tiny_model("CLIPVisionModelWithProjection"), metric=metric)
    compression: Any = merged.compression
    expected = [asdict(parameters) for parameters in merging_layers(merged).values()]
    assert [asdict(parameters) for _, parameters in TINY.merges(metric)] == expected
    assert [tokens for tokens, _ in TINY.merges(metric)] == list(compression.schedule.tokens[:-1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("metric", METRICS)
def test_every_merge_is_done(metric: Metric, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    library = HostLibrary(HOST_LIBRARY)
    work = AllMerges(library, TINY, metric, 2, dtype, device="cpu")
    work.enqueue(0)
    library.handle.pitome_host_stream_synchronize(None)
    for call, (_, parameters) in zip(work.calls, TINY.merges(metric), strict=True):
        expected = merge(call.x, call.metric, call.size, parameters)
        assert torch.equal(call.result.assignment, expected.assignment)
        torch.testing.assert_close(call.result.x, expected.x)
        assert call.result.size.sum() == call.size.sum()
