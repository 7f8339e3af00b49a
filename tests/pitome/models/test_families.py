"""What the families say about their models, against the models themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pitome.errors import InputError
from pitome.models.families import all_families, family_of, family_of_type
from pitome.models.family import patch_count, split_heads
from tests.tiny_models import NUM_LAYERS, NUM_PATCHES, TINY_MODELS, tiny_images, tiny_model

FAMILY_NAMES = ("clip", "clip", "vit", "vit", "deit", "deit", "dinov2", "dinov2")
HEAD_FLOPS = {
    "CLIPVisionModelWithProjection": 32 * 16,
    "CLIPVisionModel": 0,
    "ViTForImageClassification": 32 * 7,
    "ViTModel": 32 * 32,
    "DeiTForImageClassificationWithTeacher": 2 * 32 * 7,
    "DeiTModel": 32 * 32,
    "Dinov2Model": 0,
    "Dinov2ForImageClassification": 64 * 7,
}


@pytest.mark.parametrize(("name", "family_name"), zip(TINY_MODELS, FAMILY_NAMES, strict=True))
def test_shape_is_that_of_the_model(name: str, family_name: str) -> None:
    model = tiny_model(name)
    family = family_of(model)
    assert family.name == family_name
    seen = []
    family.layers(model)[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    with torch.no_grad():
        model(tiny_images(1))
    shape = family.shape(model)
    assert seen == [(1, shape.num_tokens, shape.hidden_size)]
    assert shape.num_layers == len(family.layers(model)) == NUM_LAYERS
    assert shape.num_protected == family.num_protected(model) == (2 if family_name == "deit" else 1)
    assert shape.num_tokens == NUM_PATCHES + shape.num_protected
    assert (shape.hidden_size, shape.num_heads, shape.head_width) == (32, 2, 16)
    assert shape.mlp_flops_per_token == 2 * 32 * 64
    assert shape.embedding_flops == NUM_PATCHES * 3 * 8 * 8 * 32
    assert shape.head_flops == HEAD_FLOPS[name]


@pytest.mark.parametrize("name", TINY_MODELS)
def test_queries_keys_and_values_are_those_of_the_heads(name: str) -> None:
    model = tiny_model(name)
    family = family_of(model)
    layer = family.layers(model)[1]
    x = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        projected = family.project(layer, x)
        attention = family.attention(layer)
        norm = next(part for part in layer.children() if isinstance(part, torch.nn.LayerNorm))
        for part, linear in zip(projected, ("q_proj", "k_proj", "v_proj"), strict=True):
            flat = getattr(attention, linear)(norm(x))
            assert part.shape == (2, 2, 5, 16)
            for head in range(2):
                assert torch.equal(part[:, head], flat[..., 16 * head : 16 * (head + 1)])
    assert family.attention_scale(layer) == pytest.approx(16**-0.5)


@pytest.mark.parametrize("family", all_families(), ids=lambda family: family.name)
def test_every_task_names_fields_of_the_outputs(family: Any) -> None:
    import transformers

    for architecture, task in family.architectures.items():
        assert hasattr(transformers, architecture)
        assert family.outputs[task]
    for name in TINY_MODELS:
        if name in family.architectures and family_of(model := tiny_model(name)).name == family.name:
            with torch.no_grad():
                output = model(tiny_images(1))
            for field in family.outputs[family.architectures[name]]:
                assert isinstance(getattr(output, field), torch.Tensor)


def test_unknown_type_names_the_families() -> None:
    with pytest.raises(InputError) as error:
        family_of_type("swin")
    assert str(error.value) == (
        "a model of type 'swin': no family knows its blocks; the families are "
        "bert (bert), clip (clip, clip_vision_model), deit (deit), dinov2 (dinov2), "
        "distilbert (distilbert), vit (vit). "
        "Choose a model of one of these families, or add a family in pitome/models/families"
    )


@pytest.mark.parametrize(
    ("image", "patch", "count"), [(224, 16, 196), (224, 14, 256), ((32, 64), 16, 8), ((32, 64), (16, 8), 16)]
)
def test_patches_of_an_image(image: Any, patch: Any, count: int) -> None:
    assert patch_count(image, patch) == count


def test_heads_lie_side_by_side() -> None:
    x = torch.arange(12.0).reshape(1, 2, 6)
    assert split_heads(x, 3)[0].tolist() == [[[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]]]
