"""What ``compress`` keeps: parameters, signature, shapes, and the outputs where nothing merges."""

from __future__ import annotations

import inspect
from collections import deque
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pitome.compression import compress
from pitome.errors import InputError
from pitome.merge import unmerge
from pitome.merged_layers import MergedLayers
from pitome.observe import observe_merges
from pitome.schedule import TokenSchedule
from tests.compressed import compress_with
from tests.tiny_models import (
    NO_CLASSIFIERS,
    NUM_LAYERS,
    NUM_PATCHES,
    TINY_MODELS,
    WIDTH,
    outputs_of,
    tiny_images,
    tiny_model,
)

ONE_PER_FAMILY = (
    "CLIPVisionModelWithProjection",
    "ViTForImageClassification",
    "DeiTForImageClassificationWithTeacher",
    "Dinov2ForImageClassification",
)


def assert_equal_outputs(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert first
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def stack_of(model: nn.Module) -> Any:
    (stack,) = [part for part in model.modules() if isinstance(part, MergedLayers)]
    return stack


@pytest.mark.parametrize("options", [{"ratio": 1.0}, {"r": 0}, {"method": "none"}, {"flops": 1.0}], ids=str)
@pytest.mark.parametrize("name", TINY_MODELS)
def test_nothing_merged_is_the_very_same(name: str, options: dict[str, Any]) -> None:
    model, images = tiny_model(name), tiny_images(2)
    compressed: Any = compress_with(model, **options)
    assert_equal_outputs(outputs_of(model, images), outputs_of(compressed, images))
    assert compressed.compression.flops.ratio == 1


@pytest.mark.parametrize("name", TINY_MODELS)
def test_merging_keeps_every_shape_and_changes_values(name: str) -> None:
    model, images = tiny_model(name), tiny_images(2)
    before, after = outputs_of(model, images), outputs_of(compress(model, ratio=0.8), images)
    assert before.keys() == after.keys()
    for name_of_output, value in before.items():
        assert value.shape == after[name_of_output].shape
        assert not torch.equal(value, after[name_of_output])


@pytest.mark.parametrize("name", TINY_MODELS)
def test_parameters_are_shared_and_the_model_is_left_as_it_was(name: str) -> None:
    model, images = tiny_model(name), tiny_images(2)
    before, names = outputs_of(model, images), list(model.state_dict())
    compressed: Any = compress(model, ratio=0.8)
    addresses = sorted(tensor.data_ptr() for tensor in model.parameters())
    assert sorted(tensor.data_ptr() for tensor in compressed.parameters()) == addresses
    assert {id(tensor) for tensor in compressed.buffers()} == {id(tensor) for tensor in model.buffers()}
    outputs_of(compressed, images)
    assert_equal_outputs(before, outputs_of(model, images))
    assert list(model.state_dict()) == names
    assert not any(isinstance(part, MergedLayers) for part in model.modules())
    assert not hasattr(model, "compression")


@pytest.mark.parametrize("name", TINY_MODELS)
def test_class_and_forward_signature_are_kept(name: str) -> None:
    model, images = tiny_model(name), tiny_images(1)
    compressed: Any = compress(model)
    assert type(compressed) is type(model)
    assert inspect.signature(compressed.forward) == inspect.signature(model.forward)
    with torch.no_grad():
        positional, by_name = compressed(images), compressed(pixel_values=images)
        as_tuple = compressed(images, return_dict=False)
    assert torch.equal(positional[0], by_name[0])
    assert torch.equal(positional[0], as_tuple[0])


@pytest.mark.parametrize("name", TINY_MODELS)
def test_images_of_a_batch_do_not_depend_on_each_other(name: str) -> None:
    """In float64, where a batch of another size cannot round to another decision."""
    compressed, images = compress(tiny_model(name), ratio=0.8).double(), tiny_images(5).double()
    together = outputs_of(compressed, images)
    for index in range(5):
        alone = outputs_of(compressed, images[index : index + 1])
        for output, value in alone.items():
            torch.testing.assert_close(value[0], together[output][index], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ONE_PER_FAMILY)
def test_torch_export_with_a_dynamic_batch_gives_the_same_outputs(name: str) -> None:
    compressed: Any = compress(tiny_model(name), ratio=0.8)
    batch = torch.export.Dim("batch")
    names = list(inspect.signature(compressed.forward).parameters)
    shapes = {key: {0: batch} if key == "pixel_values" else None for key in names[:1]}
    program = torch.export.export(compressed, (tiny_images(2),), dynamic_shapes=shapes).module()
    for count in (1, 5):
        images = tiny_images(count, seed=count)
        found = program(images)
        for output, value in outputs_of(compressed, images).items():
            torch.testing.assert_close(found[output], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NO_CLASSIFIERS)
def test_tokens_of_a_group_leave_with_one_vector(name: str) -> None:
    model, images = tiny_model(name), tiny_images(2)
    compressed: Any = compress(model, ratio=0.8)
    with torch.no_grad(), observe_merges() as observer:
        tokens = compressed(images).last_hidden_state
    assignment, size = observer.assignment, observer.size
    assert assignment is not None
    assert size is not None
    assert tokens.shape[1] == compressed.compression.schedule.num_tokens
    for image in range(2):
        slots = assignment[image]
        for slot in slots.unique():
            group = tokens[image, slots == slot]
            assert torch.equal(group, group[:1].expand_as(group))
            assert float(size[image, slot]) == len(group)
        assert len(tokens[image].unique(dim=0)) == len(slots.unique())


@pytest.mark.parametrize("name", NO_CLASSIFIERS)
def test_short_form_holds_the_same_tokens(name: str) -> None:
    model, images = tiny_model(name), tiny_images(2)
    short: Any
    long: Any
    short, long = compress(model, ratio=0.8, tokens="merged"), compress(model, ratio=0.8)
    with torch.no_grad():
        merged, unmerged = short(images), long(images)
    left = short.compression.schedule.tokens[-1]
    assert merged.last_hidden_state.shape == (2, left, WIDTH)
    assert merged.size.shape == (2, left, 1)
    assert merged.size.dtype == torch.float32
    assert merged.assignment.dtype == torch.int32
    assert merged.assignment.shape == unmerged.last_hidden_state.shape[:2]
    # Norms run on other shapes in both, which may round otherwise.
    torch.testing.assert_close(
        unmerge(merged.last_hidden_state, merged.assignment), unmerged.last_hidden_state, rtol=1e-6, atol=1e-6
    )
    counts = torch.stack([slots.bincount(minlength=left) for slots in merged.assignment])
    assert torch.equal(merged.size[..., 0], counts.float())
    for field in ("pooler_output", "image_embeds"):
        if getattr(unmerged, field, None) is not None:
            torch.testing.assert_close(getattr(merged, field), getattr(unmerged, field), rtol=1e-5, atol=1e-6)


def test_the_short_form_is_no_tuple() -> None:
    short, images = compress(tiny_model("ViTModel"), ratio=0.8, tokens="merged"), tiny_images(1)
    with pytest.raises(InputError, match='return_dict=False with tokens="merged": sizes and assignments'):
        short(images, return_dict=False)
    short.config.return_dict = False
    with pytest.raises(InputError, match="a tuple has none"):
        short(images)


def test_short_form_of_a_model_that_merges_nothing_has_no_size() -> None:
    with torch.no_grad():
        output = compress(tiny_model("ViTModel"), ratio=1.0, tokens="merged")(tiny_images(1))
    assert output.last_hidden_state.shape == (1, NUM_PATCHES + 1, WIDTH)
    assert output.size is None
    assert output.assignment is None


@pytest.mark.parametrize("method", ["pitome", "tome", "random"])
def test_classifier_that_averages_patches_gets_the_size_weighted_mean(method: str) -> None:
    model, images = tiny_model("Dinov2ForImageClassification"), tiny_images(3)
    compressed: Any = compress(model, ratio=0.7, method=method)
    with torch.no_grad():
        logits = compressed(images).logits
        short = compress(model.dinov2, ratio=0.7, method=method, tokens="merged")(images)
        patches, size = short.last_hidden_state[:, 1:], short.size[:, 1:]
        assert size.max() > 1
        mean = (size * patches).sum(dim=1) / size.sum(dim=1)
        by_hand = model.classifier(torch.cat([short.last_hidden_state[:, 0], mean], dim=1))
        plain = model.classifier(torch.cat([short.last_hidden_state[:, 0], patches.mean(dim=1)], dim=1))
    assert torch.equal(size.sum(dim=1), torch.full((3, 1), float(NUM_PATCHES)))
    torch.testing.assert_close(logits, by_hand, rtol=1e-5, atol=1e-5)
    assert (logits - plain).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["DeiTForImageClassificationWithTeacher", "DeiTModel"])
@pytest.mark.parametrize("method", ["pitome", "paper", "authors", "tome", "random"])
def test_both_prefix_tokens_of_a_distilled_deit_stay_alone(name: str, method: str) -> None:
    compressed: Any = compress(tiny_model(name), ratio=0.5, method=method)
    with torch.no_grad(), observe_merges() as observer:
        compressed(tiny_images(4))
    steps = [record.decided for record in observer.records]
    assert len(steps) == NUM_LAYERS
    assert observer.assignment is not None
    assert observer.size is not None
    for assignment in [*steps, observer.assignment]:
        assert (assignment[:, :2] == torch.tensor([0, 1])).all()
        assert (assignment[:, 2:] >= 2).all()
    assert (observer.size[:, :2] == 1).all()


@pytest.mark.parametrize("name", ONE_PER_FAMILY)
def test_gradients_reach_every_parameter_that_the_unmerged_model_trains(name: str) -> None:
    model = tiny_model(name)

    def trained(module: nn.Module) -> set[int]:
        module.zero_grad()
        module(tiny_images(2))[0].square().sum().backward()
        return {
            id(tensor)
            for tensor in module.parameters()
            if tensor.grad is not None and tensor.grad.abs().sum() > 0
        }

    expected = trained(model)
    assert trained(compress(model, ratio=0.7)) == expected
    assert len(expected) > 16 * NUM_LAYERS - 1


def test_gradient_is_that_of_float64_differences() -> None:
    """Along one direction of one weight; decisions do not change on so short a way."""
    compressed, images = compress(tiny_model("ViTForImageClassification"), ratio=0.7).double(), tiny_images(2)
    weight = stack_of(compressed).blocks[1].attention.v_proj.weight
    direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)).double()

    def loss() -> Tensor:
        return compressed(images.double()).logits.square().sum()

    (gradient,) = torch.autograd.grad(loss(), weight)
    with torch.no_grad():
        step = 1e-6
        weight += step * direction
        above = loss()
        weight -= 2 * step * direction
        below = loss()
    assert float((gradient * direction).sum()) == pytest.approx(float(above - below) / (2 * step), rel=1e-5)


def test_options_choose_the_schedule() -> None:
    model = tiny_model("ViTModel")

    def merged(**options: Any) -> tuple[int, ...]:
        compressed: Any = compress_with(model, **options)
        return compressed.compression.schedule.num_merged

    assert merged() == merged(ratio=0.9) == (3, 3, 3, 2)
    assert merged(r=5) == (5, 5, 5, 5)
    assert merged(r=5, layers=[1, 3]) == (0, 5, 0, 5)
    assert merged(r=[1, 0, 2, 7]) == (1, 0, 2, 7)
    assert merged(ratio=0.5, layers=[3]) == (0, 0, 0, 18)
    assert merged(schedule=TokenSchedule(NUM_PATCHES + 1, 1, (0, 4, 0, 0))) == (0, 4, 0, 0)
    for shortcut, wanted in (
        (compress(model), (3, 3, 3, 2)),
        (compress(model, r=5), (5, 5, 5, 5)),
        (compress(model, r=0), (0, 0, 0, 0)),
        (compress(model, r=[1, 0, 2, 7]), (1, 0, 2, 7)),
        (compress(model, r=(1, 0, 2, 7)), (1, 0, 2, 7)),
        (compress(model, r=deque([1, 0, 2, 7])), (1, 0, 2, 7)),
    ):
        found: Any = shortcut
        assert found.compression.schedule.num_merged == wanted
    model_at_target: Any = compress(model, flops=0.7)
    counted = model_at_target.compression
    assert 0.6 < counted.flops.ratio <= 0.7
