"""Whole merged models against METHOD.md section 1 in slow float64 loops."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pitome.compression import compress
from pitome.errors import InputError
from pitome.merged_layers import merged_layers_of
from pitome.methods.energy import EnergyMerger
from pitome.observe import observe_merges
from pitome.schedule import TokenSchedule
from tests.compressed import compress_with
from tests.pitome.slow_merge import merge_values, slow_merge
from tests.pitome.test_compression import stack_of
from tests.tiny_models import NO_CLASSIFIERS, NUM_HEADS, tiny_images, tiny_model

SAFE_MARGIN = 1e-9
"""Far above rounding in float64, far below the usual distance of scores."""


def slow_block(family: Any, layer: Any, x: Tensor, size: Tensor, merger: Any, settings: Any) -> Any:
    """x + Attn(LN1 x), merge, x + MLP(LN2 x), with one softmax per head, image and query."""
    query, key, value = family.project(layer, x)
    counted = size if settings.proportional_attention else torch.ones_like(size)
    attended = torch.zeros_like(x)
    width = query.shape[-1]
    for image in range(len(x)):
        for head in range(NUM_HEADS):
            for token in range(x.shape[1]):
                scores = key[image, head] @ query[image, head, token] * width**-0.5
                weights = scores.exp() * counted[image, :, 0]
                mean = (weights / weights.sum()) @ value[image, head]
                attended[image, token, head * width : (head + 1) * width] = mean
    x = family.add_attention(layer, x, attended)
    assignment = None
    if merger is not None:
        metric = x if settings.metric == "hidden" else key.sum(dim=1) / NUM_HEADS
        if isinstance(merger, EnergyMerger):
            found = slow_merge(x, metric, size, merger.parameters)
            assert min(margins.smallest for margins in found.margins) > SAFE_MARGIN
            assignment, y, new_size = found.assignment, found.y, found.size
        else:
            assignment = np.stack([merger.assignment.numpy()] * len(x))
            y, new_size = merge_values(x, size, assignment)
        x, size = torch.from_numpy(y), torch.from_numpy(new_size)
    return family.add_mlp(layer, x), size, assignment


def slow_layers(model: Any, embedded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All blocks: tokens left [B, N', C], sizes [B, N', 1], original position -> token left [B, N]."""
    stack = stack_of(model)
    x, size = embedded, torch.ones_like(embedded[:, :, :1])
    composed = np.tile(np.arange(x.shape[1]), (len(x), 1))
    for layer, merger in zip(stack.blocks, stack.mergers, strict=True):
        x, size, assignment = slow_block(stack.family, layer, x, size, merger, stack.settings)
        if assignment is not None:
            composed = np.stack([step[old] for step, old in zip(assignment, composed, strict=True)])
    return x, size, torch.from_numpy(composed)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in NO_CLASSIFIERS),
        ("CLIPVisionModel", {"method": "paper"}),
        ("CLIPVisionModel", {"method": "authors"}),
        ("DeiTModel", {"method": "tome"}),
        ("DeiTModel", {"method": "authors"}),
        ("Dinov2Model", {"method": "random", "seed": 5}),
        ("ViTModel", {"metric": "keys", "candidates": "all", "size_penalty": 0.2}),
        ("ViTModel", {"proportional_attention": False}),
    ],
    ids=str,
)
def test_merged_model_is_the_slow_one(name: str, options: dict[str, Any]) -> None:
    model = tiny_model(name)
    counts = (7, 0, 6, 4)  # a layer without a merge behind one with a merge
    num_protected = 2 if name.startswith("DeiT") else 1
    schedule = TokenSchedule(36 + num_protected, num_protected, counts)
    compressed: Any = compress_with(model, schedule, tokens="merged", **options).double()
    seen: list[Tensor] = []
    stack = stack_of(compressed)
    stack.register_forward_pre_hook(lambda _, args, kwargs: seen.append(args[0]), with_kwargs=True)
    left: list[Tensor] = []
    stack.register_forward_hook(lambda _, args, output: left.append(output))
    with torch.no_grad():
        output = compressed(tiny_images(2).double())
        expected, size, assignment = slow_layers(compressed, seen[0])
    torch.testing.assert_close(left[0], expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(output.size.double(), size, rtol=0, atol=0)
    assert torch.equal(output.assignment.long(), assignment.long())


@pytest.mark.parametrize("name", NO_CLASSIFIERS)
def test_a_block_taken_apart_is_the_block(name: str) -> None:
    """Merging by a merge that moves nothing: all blocks through the taken-apart path, against the library."""
    model: Any = tiny_model(name).double()
    compressed: Any = compress(model, ratio=1.0)
    stack = stack_of(compressed)
    x = torch.randn(2, stack.schedule.num_tokens, 32, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        for layer in stack.blocks:
            attended, keys = stack._attend(layer, x, torch.ones_like(x[:, :, :1]))
            torch.testing.assert_close(
                stack.family.add_mlp(layer, attended), layer(x, None), rtol=1e-10, atol=1e-10
            )
            assert keys.shape == (2, stack.schedule.num_tokens, 16)


def test_forced_decisions_are_what_the_layers_after_see() -> None:
    """Forced to the decisions of other images, every layer still records its own of what it then sees."""
    compressed: Any = compress(tiny_model("ViTModel"), ratio=0.7).double()
    images, others = tiny_images(2, seed=0).double(), tiny_images(2, seed=9).double()
    with torch.no_grad():
        with observe_merges() as own:
            free = compressed(images).last_hidden_state
        with observe_merges() as foreign:
            compressed(others)
        with observe_merges([record.decided for record in foreign.records]) as forced:
            moved = compressed(images).last_hidden_state
        with observe_merges([record.decided for record in own.records]):
            same = compressed(images).last_hidden_state
    torch.testing.assert_close(same, free, rtol=1e-10, atol=1e-10)
    assert (moved - free).abs().max() > 1e-2
    assert forced.assignment is not None
    assert foreign.assignment is not None
    assert torch.equal(forced.assignment, foreign.assignment)
    assert torch.equal(forced.records[0].decided, own.records[0].decided)
    assert torch.equal(forced.records[0].metric, own.records[0].metric)
    assert not torch.equal(forced.records[1].metric, own.records[1].metric)


def test_copy_of_a_compressed_model_computes_the_same() -> None:
    compressed: Any = compress(tiny_model("CLIPVisionModel"), ratio=0.7)
    with torch.no_grad():
        first, second = compressed(tiny_images(2)), copy.deepcopy(compressed)(tiny_images(2))
    assert torch.equal(first.last_hidden_state, second.last_hidden_state)


def test_the_models_loop_runs_all_blocks_in_one() -> None:
    """Iterated, enumerated and sliced as a model's forward does; indexed it is the list of the blocks."""
    model = tiny_model("ViTModel")
    blocks = stack_of(compress(model, ratio=0.8))
    assert list(blocks) == [blocks]
    assert [index for index, _ in enumerate(blocks)] == [0]
    assert len(blocks) == 4
    assert [blocks[:4], blocks[:], blocks[0:9]] == [blocks] * 3
    for index, block in enumerate(blocks.blocks):
        assert blocks[index] is block
        assert block.mlp.fc1.weight is model.layers[index].mlp.fc1.weight
    assert "ViTLayer" in repr(blocks)


def test_a_part_of_the_blocks_is_refused() -> None:
    with pytest.raises(InputError) as error:
        stack_of(compress(tiny_model("ViTModel"), ratio=0.8))[:3]
    assert str(error.value) == (
        "3 of the 4 blocks of a compressed model: its schedule is one of all blocks. Cut the model before "
        "you compress it"
    )


def test_where_a_model_has_its_blocks() -> None:
    assert merged_layers_of(compress(tiny_model("CLIPVisionModel")))[0] == "encoder.layers"
    assert merged_layers_of(compress(tiny_model("ViTForImageClassification")))[0] == "vit.layers"
