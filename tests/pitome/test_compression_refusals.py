"""What ``compress`` and compressed models refuse, and in which words."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from pitome.compression import compress
from pitome.errors import InputError
from pitome.schedule import TokenSchedule
from tests.compressed import compress_with
from tests.pitome.test_compression import stack_of
from tests.tiny_models import IMAGE_SIZE, tiny_images, tiny_model


def refusal(**options: Any) -> str:
    with pytest.raises(InputError) as error:
        compress_with(tiny_model(options.pop("name", "ViTModel")), **options)
    assert error.value.exit_code == 2
    return str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": 0.9, "r": 3}, "RATIO=0.9 and R=3: each of them sets the whole schedule. Give only one of"),
        ({"r": 3, "flops": 0.5}, "R=3 and FLOPS=0.5: each of them"),
        ({"ratio": 1.5}, "RATIO=1.5: a keep ratio lies in (0, 1]"),
        ({"ratio": 0.0}, "RATIO=0.0: a keep ratio lies in (0, 1]"),
        ({"flops": 0.01}, "FLOPS=0.01: the smallest schedule"),
        ({"r": [3, 3]}, "R=3,3: 2 counts for a model of 4 layers. Give 4 counts"),
        ({"r": [3] * 4, "layers": [0]}, "R as a list together with LAYERS: the list already says"),
        ({"r": 19}, "R=19, merging 19 tokens in layer 0: 36 unprotected tokens are left there"),
        ({"r": 10}, "R=10, merging 10 tokens in layer 2: 16 unprotected tokens are left there"),
        ({"r": -1}, "R=-1, merging -1 tokens in layer 0: it is not a number of tokens from 0 up"),
        ({"layers": [4]}, "LAYERS=4: the model has the layers 0 to 3, not 4"),
        ({"method": "pitme"}, "METHOD=pitme: the methods are authors, authors-2024, none, paper, pitome, "
                              "random, tome. Did you mean pitome"),
        ({"method": "qqq"}, "METHOD=qqq: the methods are authors, authors-2024, none, paper, pitome, random"),
        ({"metric": "values"}, "METRIC=values: the choices are hidden, keys. Choose one"),
        ({"size_penalty": -0.1}, "SIZE_PENALTY=-0.1: not a number from 0 to 1024"),
        ({"size_penalty": float("nan")}, "SIZE_PENALTY=nan: not a number from 0 to 1024"),
        ({"candidates": 1.5}, "PROTECT=1.5: a protected fraction lies in [0, 1)"),
        ({"candidates": 40}, "CANDIDATES=40: a layer with 36 unprotected tokens that merges 3 takes 6 to 36"),
        ({"candidates": "most"}, "CANDIDATES=most"),
    ],
    ids=str,
)  # fmt: skip
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    assert refusal(**options).startswith(message)


def test_schedule_of_another_model() -> None:
    assert refusal(schedule=TokenSchedule(197, 1, (0,) * 12)) == (
        "a schedule for 12 layers, 197 tokens, 1 of them protected: the model has 4 layers, 37 tokens, "
        "1 of them protected. Make a schedule for this model"
    )
    assert "37 tokens, 2 of them protected: the model" in refusal(schedule=TokenSchedule(37, 2, (0,) * 4))


def test_schedule_beside_other_options() -> None:
    schedule = TokenSchedule(37, 1, (3,) * 4)
    assert refusal(schedule=schedule, ratio=0.9).startswith("a schedule and ratio, r or flops")
    assert "it merges none" in refusal(schedule=schedule, method="none")


def test_authors_published_nothing_for_dinov2() -> None:
    assert refusal(name="Dinov2Model", method="authors") == (
        "METHOD=authors: the PiToMe authors published no settings for the dinov2 family. "
        "Choose METHOD=pitome or METHOD=paper"
    )


def test_models_whose_blocks_are_not_known() -> None:
    import transformers

    config = transformers.ResNetConfig(embedding_size=4, hidden_sizes=[4, 4], depths=[1, 1])
    with pytest.raises(InputError) as error:
        compress(transformers.ResNetModel(config))
    assert str(error.value).startswith("a model of type 'resnet': no family knows its blocks")
    assert "bert (bert), clip (clip, clip_vision_model), deit (deit), dinov2 (dinov2)" in str(error.value)
    with pytest.raises(InputError, match=r"^a Linear to compress: it has no config\.model_type"):
        compress(nn.Linear(2, 2))


def test_model_that_is_more_than_an_image_encoder() -> None:
    import transformers

    text = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = transformers.CLIPConfig(
        vision_config=tiny_model("CLIPVisionModel").config.to_dict(),
        text_config={**text, "vocab_size": 49408},
    )
    with pytest.raises(
        InputError,
        match=r"its main input is input_ids.*Give its vision tower, such as a CLIPVisionModelWithProj",
    ):
        compress(transformers.CLIPModel(config))


def test_a_compressed_model_is_not_compressed_again() -> None:
    for tokens in ("unmerged", "merged"):
        compressed: Any = compress(tiny_model("ViTModel"), tokens=tokens)
        compressed.config = SimpleNamespace(model_type="vit")
        with pytest.raises(InputError, match="it is compressed already"):
            compress(compressed)


def test_short_form_of_a_classifier() -> None:
    assert refusal(name="ViTForImageClassification", tokens="merged") == (
        'tokens="merged": a ViTForImageClassification returns no tokens. Compress the model without its '
        'classifier, or leave tokens="unmerged"'
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "output_hidden_states",
            "output_hidden_states=True: the per-layer hidden states of a compr",
        ),
        ("output_attentions", "output_attentions=True: the attention maps of a compressed model"),
    ],
)
@pytest.mark.parametrize("model_name", ["CLIPVisionModelWithProjection", "ViTModel", "Dinov2Model"])
def test_what_has_another_length_in_each_layer(model_name: str, name: str, message: str) -> None:
    compressed: Any = compress(tiny_model(model_name))
    with pytest.raises(InputError, match=f"^{message}.*Ask the unmerged model"):
        compressed(tiny_images(1), **{name: True})
    compressed(tiny_images(1), **{name: False})
    configured = tiny_model(model_name, attn_implementation="eager", **{name: True})
    with pytest.raises(InputError, match=f"^{message}"):
        compress(configured)(tiny_images(1))


def test_attention_mask_by_name_and_by_place() -> None:
    compressed, mask = compress(tiny_model("ViTModel")), torch.ones(1, 37)
    message = "^an attention mask for a compressed vision model: tokens move while they merge"
    with pytest.raises(InputError, match=message):
        compressed(tiny_images(1), attention_mask=mask)
    with pytest.raises(InputError, match=message):
        compressed(tiny_images(1), None, None, mask)


@pytest.mark.parametrize("name", ["CLIPVisionModel", "ViTModel", "DeiTModel", "Dinov2Model"])
@pytest.mark.parametrize("by_name", [True, False])
def test_images_of_another_size(name: str, by_name: bool) -> None:
    compressed, images = compress(tiny_model(name)), tiny_images(2, size=IMAGE_SIZE + 16)
    message = re.escape(
        "images of shape (2, 3, 64, 64): the model was compressed for [B, 3, 48, 48]. Resize the images, "
        "or load the model with another IMAGE_SIZE"
    )
    with pytest.raises(InputError, match=message):
        compressed(pixel_values=images) if by_name else compressed(images)


def test_another_number_of_tokens() -> None:
    with pytest.raises(InputError) as error:
        stack_of(compress(tiny_model("ViTModel")))(torch.zeros(1, 5, 32))
    assert str(error.value).startswith(
        "an input of 5 tokens: the model was compressed for 37 tokens. Give images of the size"
    )
