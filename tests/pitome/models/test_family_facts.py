"""What a family says beside its blocks: preprocessing, configurations, keys, positions, refusals."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from pitome.errors import InputError
from pitome.models import families
from pitome.models.families import all_families, family_of_type, register
from pitome.models.families.bert import Bert
from pitome.models.families.vit import Vit
from pitome.models.presets import PRESETS
from tests.tiny_models import tiny_model

PREPROCESS = {
    "clip": ("shortest", 224, 3, 0.48145466, 0.26862954),
    "vit": ("squash", 224, 2, 0.5, 0.5),
    "deit": ("shortest", 256, 3, 0.485, 0.229),
    "dinov2": ("shortest", 256, 3, 0.485, 0.229),
}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    known = {family.name: family for family in all_families()}
    monkeypatch.setattr(families, "_FAMILIES", known)


def test_every_file_of_the_folder_is_found_in_order_of_names() -> None:
    assert [family.name for family in all_families()] == sorted(family.name for family in all_families())
    assert {"bert", "clip", "deit", "dinov2", "distilbert", "vit"} <= {each.name for each in all_families()}


@pytest.mark.usefixtures("registry")
def test_a_registered_family_is_known() -> None:
    @register
    class Newest(Vit):
        name = "newest"
        model_types = ("newest", "newest-model")

    assert type(family_of_type("newest-model")) is Newest
    assert family_of_type("newest-model") is family_of_type(Newest.name)


@pytest.mark.usefixtures("registry")
def test_a_family_is_found_by_its_name() -> None:
    """As the preset of random weights looks for it."""
    with pytest.raises(TypeError, match=r"^Oldest's name 'oldest' is none of its model_types$"):

        @register
        class Oldest(Vit):
            name, model_types = "oldest", ("oldest-model",)

    assert "oldest" not in {family.name for family in all_families()}


@pytest.mark.usefixtures("registry")
def test_a_type_belongs_to_one_family() -> None:
    with pytest.raises(TypeError, match=r"^Second and Vit both claim 'vit'$"):

        @register
        class Second(Vit):
            name = "second"


@pytest.mark.usefixtures("registry")
def test_what_a_loader_needs_must_be_there() -> None:
    with pytest.raises(TypeError, match=r"^Blind takes images and has no default_preprocess$"):

        @register
        class Blind(Vit):
            name, model_types = "blind", ("blind",)
            default_preprocess = None

    with pytest.raises(TypeError, match=r"^Mute names no outputs for image-features$"):

        @register
        class Mute(Vit):
            name, model_types = "mute", ("mute",)
            outputs: ClassVar = {"image-classification": ("logits",)}

    assert "blind" not in {family.name for family in all_families()}


@pytest.mark.parametrize(("name", "wanted"), PREPROCESS.items())
def test_default_preprocessing(name: str, wanted: tuple[Any, ...]) -> None:
    found = family_of_type(name).default_preprocess
    assert found is not None
    assert (found.image_size, found.processor) == (224, None)
    assert found.resize is not None
    assert found.mean is not None
    assert found.std is not None
    edge = found.resize.shortest_edge or found.resize.height
    way = "shortest" if found.resize.shortest_edge else "squash"
    assert (way, edge, found.resize.resample, found.mean[0], found.std[0]) == wanted


def test_texts_have_no_default_preprocessing() -> None:
    assert family_of_type("bert").default_preprocess is None


def test_content_of_a_configuration() -> None:
    sizes = {"hidden_size": 96, "num_labels": 10}
    clip = family_of_type("clip")
    assert clip.config_content("CLIPForImageClassification", sizes) == {
        "model_type": "clip",
        "architectures": ["CLIPForImageClassification"],
        "vision_config": {"hidden_size": 96},
        "num_labels": 10,
    }
    tower = clip.config_content("CLIPVisionModelWithProjection", {"hidden_size": 96})
    assert tower == {
        "model_type": "clip_vision_model",
        "architectures": ["CLIPVisionModelWithProjection"],
        "hidden_size": 96,
    }
    assert family_of_type("vit").config_content("ViTModel", sizes) == {
        **sizes,
        "model_type": "vit",
        "architectures": ["ViTModel"],
    }


def test_clips_tower_has_the_projection_of_the_whole() -> None:
    whole = SimpleNamespace(projection_dim=24, vision_config=SimpleNamespace(projection_dim=512))
    assert family_of_type("clip").tower_config(whole).projection_dim == 24
    assert whole.vision_config is family_of_type("clip").vision_config(whole)


def test_wanted_keys() -> None:
    image = {"vision_model.encoder.layers.0.mlp.fc1.weight", "visual_projection.weight", "logit_scale"}
    text = {"text_model.encoder.layers.0.mlp.fc1.weight", "text_projection.weight", "clip.text_model.a.bias"}
    assert family_of_type("clip").wanted_keys(image | text) == image
    assert family_of_type("bert").wanted_keys(text) == text


def test_usable_positions() -> None:
    class Roberta(Bert):
        def usable_positions(self, config: Any) -> int:
            return int(config.max_position_embeddings) - config.pad_token_id - 1

    config: Any = SimpleNamespace(max_position_embeddings=514, pad_token_id=1)
    assert Bert().usable_positions(config) == 514
    assert Roberta().usable_positions(config) == Roberta().sequence_length(config) == 512
    assert Roberta().default_sequence_length(config) == 128
    with pytest.raises(InputError) as error:
        Roberta().set_sequence_length(config, 513)
    assert str(error.value) == (
        "SEQUENCE_LENGTH=513: the model has positions for 2 to 512 tokens. Choose for instance "
        "SEQUENCE_LENGTH=128"
    )
    Roberta().set_sequence_length(config, 512)
    assert Roberta().sequence_length(config) == 512


def test_how_an_untouched_block_is_run() -> None:
    """As the model's loop calls it: by default with the mask behind the tokens."""
    seen: list[Any] = []

    def block(*args: Any, **kwargs: Any) -> Tensor:
        seen.append((args, kwargs))
        return args[0] + 1

    class Maskless(Vit):
        def run_layer(self, layer: Any, x: Tensor, mask: Tensor | None, **kwargs: Any) -> Tensor:
            return layer(x, **kwargs)

    x, mask = torch.zeros(1, 2, 3), torch.ones(1, 1, 1, 2, dtype=torch.bool)
    assert torch.equal(Vit().run_layer(block, x, mask, flag=1), x + 1)
    assert torch.equal(Maskless().run_layer(block, x, None, flag=2), x + 1)
    assert [(len(args), kwargs) for args, kwargs in seen] == [(2, {"flag": 1}), (1, {"flag": 2})]
    assert seen[0][0][1] is mask


def test_refusals_name_the_reason() -> None:
    clip, bert = family_of_type("clip"), family_of_type("bert")
    clip.check_model(tiny_model("CLIPVisionModel"))
    with pytest.raises(InputError) as error:
        clip.check_model(SimpleNamespace(main_input_name="input_ids"))
    assert str(error.value) == (
        "a SimpleNamespace to compress: its main input is input_ids, so it is more than an image encoder. "
        "Give its vision tower, such as a CLIPVisionModelWithProjection"
    )
    with pytest.raises(InputError, match=r"it is a decoder, whose tokens must not see those behind them"):
        bert.check_model(SimpleNamespace(config=SimpleNamespace(is_decoder=True)))


def test_presets_are_of_registered_families() -> None:
    assert {preset.family for preset in PRESETS.values()} <= {family.name for family in all_families()}
