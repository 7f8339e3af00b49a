"""The FLOPs counter against METHOD.md section 5 and against a counter of real forward passes."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pitome.flops import count_flops
from pitome.models.families import family_of
from pitome.models.family import ModelShape
from pitome.schedule import TokenSchedule
from tests.compressed import compress_with
from tests.tiny_models import TINY_MODELS, tiny_images, tiny_model

CLIP_B16 = ModelShape(
    num_layers=12,
    num_tokens=197,
    num_protected=1,
    hidden_size=768,
    num_heads=12,
    head_width=64,
    mlp_flops_per_token=2 * 768 * 3072,
    embedding_flops=196 * 768 * 3 * 16 * 16,
    head_flops=768 * 512,
)
PLAIN_ATTENTION = partial(sdpa_kernel, SDPBackend.MATH)
"""The counter does not know the fused kernel of the CPU."""
SCHEDULE = TokenSchedule.from_ratio(0.9, 12, 197)


def test_clip_b16_at_keep_ratio_09_is_that_of_the_method() -> None:
    assert SCHEDULE.tokens == (197, 178, 161, 145, 131, 118, 107, 97, 88, 80, 73, 66, 60)
    ratios = {}
    for width in (0, 64, 768):
        count = count_flops(CLIP_B16, SCHEDULE, width)
        ratios[width] = sum(count.layers_merged) / sum(count.layers_base)
    assert ratios[0] == pytest.approx(0.5645, abs=5e-5)
    assert ratios[768] == pytest.approx(0.573, abs=5e-4)
    assert ratios[0] < ratios[64] < ratios[768]


def test_one_block_by_hand() -> None:
    """N = 5, one of them protected, r = 2, C = 4 in two heads, MLP of width 6, similarity of rows of 3."""
    shape = ModelShape(1, 5, 1, 4, 2, 2, 2 * 4 * 6, embedding_flops=1000, head_flops=10)
    count = count_flops(shape, TokenSchedule(5, 1, (2,)), 3)
    attention = 4 * 5 * 4**2 + 2 * 5**2 * 4
    assert count.layers_base == (attention + 2 * 5 * 4 * 6,)
    assert count.layers_merged == (attention + 2 * 3 * 4 * 6 + 4**2 * 3,)
    assert count.base == 760 + 1010
    assert count.merged == 712 + 1010
    assert count.ratio == 1722 / 1770
    assert count.bound == 1770 / 1722


def test_layer_without_a_merge_measures_no_similarity() -> None:
    with_merge = count_flops(CLIP_B16, TokenSchedule(197, 1, (0,) * 11 + (4,)), 768)
    assert with_merge.layers_merged[:11] == with_merge.layers_base[:11]
    assert count_flops(CLIP_B16, TokenSchedule(197, 1, (0,) * 12), 768).ratio == 1


@pytest.mark.parametrize("name", TINY_MODELS)
def test_unmerged_model_is_what_a_forward_pass_counts(name: str) -> None:
    """PyTorch's counter has two operations for each multiply-add."""
    model = tiny_model(name)
    with torch.no_grad(), PLAIN_ATTENTION(), FlopCounterMode(display=False) as counter:
        model(tiny_images(1))
    shape = family_of(model).shape(model)
    nothing = TokenSchedule(shape.num_tokens, shape.num_protected, (0,) * shape.num_layers)
    assert count_flops(shape, nothing, 0).base == counter.get_total_flops() / 2


@pytest.mark.parametrize("metric", ["hidden", "keys"])
@pytest.mark.parametrize("name", TINY_MODELS)
def test_merged_model_is_what_a_forward_pass_counts(name: str, metric: str) -> None:
    """But for the merge, into which PyTorch's counter cannot look."""
    compressed: Any = compress_with(tiny_model(name), ratio=0.7, metric=metric)
    with torch.no_grad(), PLAIN_ATTENTION(), FlopCounterMode(display=False) as counter:
        compressed(tiny_images(1))
    compression = compressed.compression
    outside_of_merges = count_flops(compression.shape, compression.schedule, 0).merged
    width = 32 if metric == "hidden" else 16
    similarity = sum(
        (tokens - compression.schedule.num_protected) ** 2 * width
        for tokens in compression.schedule.tokens[:-1]
    )
    assert compression.flops.merged - outside_of_merges == similarity
    assert counter.get_total_flops() / 2 == outside_of_merges
