"""A whole CLIP: both towers give what transformers' CLIPModel gives, and what is wrong with one is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pitome import compress, load_model
from pitome.errors import InputError
from pitome.models.families import all_families, family_of
from pitome.models.packaged import INCLUDED_FOLDER
from pitome.models.presets import PRESETS
from pitome.models.tokenizer import encode_texts
from tests.tiny_families import TinyCase
from tests.validate.evaluate.tasks.small_clip import LENGTH, WORDS, write_clip

CAPTIONS = ["a photo of a ant", "bee", "the picture of an ant a bee"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_clip(tmp_path / "clip")
    return tmp_path / "clip"


def whole_clip(folder: Path) -> Any:
    from transformers import CLIPModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    return CLIPModel.from_pretrained(folder).eval()


def vectors_of(found: Any) -> Tensor:
    """``get_text_features`` and ``get_image_features`` give a tensor or an output, as their version does."""
    vectors: Tensor = getattr(found, "pooler_output", found)
    return vectors


@pytest.mark.parametrize("model", ["small", "fashion-clip"])
def test_both_towers_are_those_of_the_library(model: str, folder: Path) -> None:
    named, path = (str(folder), folder) if model == "small" else (model, INCLUDED_FOLDER)
    loaded, whole = load_model(named, tower=None), whole_clip(path)
    assert loaded.text is not None
    text = loaded.text.loaded
    assert text.tokenizer is not None
    texts = encode_texts(text.tokenizer, CAPTIONS)
    images = torch.randn(2, 3, loaded.image_size, loaded.image_size)
    merging_nothing = compress(text.model, method="none")
    with torch.no_grad():
        wanted = vectors_of(whole.get_text_features(**texts))
        assert torch.equal(text.model(**texts).text_embeds, wanted)
        assert torch.equal(merging_nothing(**texts).text_embeds, wanted)
        assert torch.equal(loaded.model(images).image_embeds, vectors_of(whole.get_image_features(images)))
    assert loaded.text.logit_scale == pytest.approx(whole.logit_scale.exp().item(), rel=1e-6)
    assert loaded.text.logit_bias is None
    assert text.sequence_length == whole.config.text_config.max_position_embeddings


def test_what_is_behind_the_end_of_a_text_decides_nothing(folder: Path) -> None:
    """The tower is causal, so whoever pads may pad with any token; a masked text is the text alone."""
    loaded = load_model(str(folder), tower="both").text
    assert loaded is not None
    assert loaded.loaded.tokenizer is not None
    model = compress(loaded.loaded.model, method="none")
    texts = encode_texts(loaded.loaded.tokenizer, CAPTIONS[:2])
    padding = texts["attention_mask"] == 0
    assert padding.any()
    other = {**texts, "input_ids": texts["input_ids"].masked_fill(padding, 5)}
    everything = {"input_ids": texts["input_ids"], "attention_mask": torch.ones_like(texts["input_ids"])}
    with torch.no_grad():
        wanted = model(**texts).text_embeds
        for each in (other, everything):
            torch.testing.assert_close(model(**each).text_embeds, wanted, rtol=1e-6, atol=1e-7)


def test_the_image_tower_alone_is_the_same_and_says_what_it_left(folder: Path) -> None:
    alone, both = load_model(str(folder)), load_model(str(folder), tower="both")
    assert alone.text is None
    assert alone.sha256 == both.sha256
    for (name, one), (_, other) in zip(
        alone.model.state_dict().items(), both.model.state_dict().items(), strict=True
    ):
        assert torch.equal(one, other), name
    assert any("of CLIPModel the vision tower was taken" in note for note in alone.notes)
    assert any("set aside of the checkpoint: " in note and "the text tower" in note for note in alone.notes)
    assert not [note for note in both.notes if "tower" in note or "set aside" in note]


def test_a_causal_tower_merges_nothing(folder: Path) -> None:
    loaded = load_model(str(folder), tower="both").text
    assert loaded is not None
    with pytest.raises(InputError, match="merges in a CLIPTextModelWithProjection: it is causal") as refused:
        compress(loaded.loaded.model, r=1)
    assert "choose METHOD=none" in refused.value.remedy
    assert compress(loaded.loaded.model, ratio=1.0).compression.schedule.merges_nothing


def test_no_model_is_named_by_a_part_of_a_system() -> None:
    assert "clip_text_model" not in {family.name for family in all_families()}
    part: Any = nn.Module()
    part.config = type("Config", (), {"model_type": "clip_text_model"})
    assert family_of(part).causal


def test_a_block_of_the_text_tower_taken_apart_is_the_block() -> None:
    family = family_of_text_tower()
    model = TinyCase(family, "CLIPTextModelWithProjection").model().double()
    layer = family.layers(model)[1]
    x = torch.randn(
        2, 9, family.shape(model).hidden_size, generator=torch.Generator().manual_seed(2)
    ).double()
    with torch.no_grad():
        query, key, value = family.project(layer, x)
        scores = family.attention_scale(layer) * query @ key.transpose(2, 3)
        attended = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        apart = family.add_mlp(layer, family.add_attention(layer, x, attended))
        whole = family.run_layer(layer, x, None)
    torch.testing.assert_close(apart, whole, rtol=1e-10, atol=1e-10)


def family_of_text_tower() -> Any:
    part: Any = nn.Module()
    part.config = type("Config", (), {"model_type": "clip_text_model"})
    return family_of(part)


def test_texts_may_be_shorter_than_the_positions(folder: Path) -> None:
    loaded = load_model(str(folder), sequence_length=6, tower=None).text
    assert loaded is not None
    assert loaded.loaded.sequence_length == 6
    assert loaded.loaded.tokenizer is not None
    texts = encode_texts(loaded.loaded.tokenizer, CAPTIONS)
    assert texts["input_ids"].shape == (3, 6)
    with pytest.raises(InputError, match=f"SEQUENCE_LENGTH=9: the model has positions for 2 to {LENGTH}"):
        load_model(str(folder), sequence_length=LENGTH + 1, tower=None)
    with pytest.raises(InputError, match="SEQUENCE_LENGTH=6: the model takes images"):
        load_model(str(folder), sequence_length=6)


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.text_config])
def test_a_preset_of_a_whole_clip_knows_the_sizes_of_both_towers(name: str) -> None:
    from transformers import CLIPConfig

    from pitome.models.model_plan import plan_model

    preset = PRESETS[name]
    content = family_content(name)
    plan = plan_model(content, preset, tower=None)
    assert plan.dual is not None
    assert plan.notes == ()
    assert isinstance(CLIPConfig.from_dict(content).text_config.max_position_embeddings, int)
    assert plan.dual.config.projection_dim == plan.config.projection_dim == preset.config["projection_dim"]
    assert plan.dual.config.max_position_embeddings == (16 if name == "fashion-clip" else 77)
    assert plan.dual.config.hidden_act == plan.config.hidden_act == preset.config["hidden_act"]


def family_content(name: str) -> dict[str, Any]:
    preset = PRESETS[name]
    family = next(family for family in all_families() if family.name == preset.family)
    return family.config_content(preset.architecture, preset.whole_config)


def test_the_included_presets_sizes_are_those_of_its_file() -> None:
    written = json.loads((INCLUDED_FOLDER / "config.json").read_text())["text_config"]
    chosen = PRESETS["fashion-clip"].text_config
    assert chosen is not None
    assert {key: written[key] for key in chosen} == chosen


def test_random_weights_have_both_towers_and_the_scale_that_training_begins_with() -> None:
    first, again = (load_model("fashion-clip", "random", seed=3, tower=None) for _ in range(2))
    assert first.text is not None
    assert again.text is not None
    assert first.text.logit_scale == pytest.approx(14.2849, rel=1e-5)  # exp(2.6592)
    assert first.text.loaded.random
    assert first.text.loaded.tokenizer is None
    for one, other in zip(
        first.text.loaded.model.parameters(), again.text.loaded.model.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    assert first.sha256 == load_model("fashion-clip", "random", seed=3).sha256, "as without the text tower"


def edited(change: Callable[[dict[str, Tensor], dict[str, Any]], object]) -> Callable[[Path], None]:
    """Changes tensors and configuration of a checkpoint."""

    def apply(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        config = json.loads((folder / "config.json").read_text())
        change(tensors, config)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(config))

    return apply


PROJECTION = "text_projection.weight"
TOKENS = "text_model.embeddings.token_embedding.weight"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            lambda tensors, _: tensors.pop("logit_scale"),
            "they have a text tower and no logit_scale, the factor by which images and texts are compared",
        ),
        (
            lambda tensors, _: tensors.update(logit_scale=torch.tensor(float("nan"))),
            "their logit_scale is no single finite number",
        ),
        (
            lambda tensors, _: tensors.update(logit_scale=torch.tensor(1000.0)),
            "their logit_scale is no single finite number",
        ),
        (
            lambda tensors, _: tensors.update(logit_scale=torch.ones(2)),
            "their logit_scale is no single finite number",
        ),
        (
            lambda tensors, _: tensors.update(logit_bias=torch.tensor(float("inf"))),
            "their logit_bias is no single finite number",
        ),
        (lambda tensors, _: tensors.pop(PROJECTION), f"they do not fit: {PROJECTION} is missing"),
        (
            lambda tensors, _: tensors.update({TOKENS: tensors[TOKENS][:5].clone()}),
            f"they do not fit: {TOKENS} is (5, 16), not (13, 16)",
        ),
        (
            lambda tensors, _: tensors[PROJECTION].fill_(float("inf")),
            f"the tensor {PROJECTION} holds NaN or infinity",
        ),
        (
            lambda _, config: config["text_config"].update(max_position_embeddings=1),
            "it has positions for 1 token",
        ),
    ],
)
def test_what_is_wrong_with_the_text_half_is_said(
    folder: Path, change: Callable[[dict[str, Tensor], dict[str, Any]], object], found: str
) -> None:
    edited(change)(folder)
    with pytest.raises(InputError) as refused:
        load_model(str(folder), tower=None)
    assert found in str(refused.value)
    assert load_model(str(folder)).text is None, "the image tower alone is sound"


def test_a_bias_is_taken(folder: Path) -> None:
    edited(lambda tensors, _: tensors.update(logit_bias=torch.tensor([-10.0])))(folder)
    loaded = load_model(str(folder), tower=None)
    assert loaded.text is not None
    assert loaded.text.logit_bias == -10.0


def test_an_end_token_that_no_text_has_is_said(folder: Path) -> None:
    edited(lambda _, config: config["text_config"].update(eos_token_id=49407))(folder)
    notes = load_model(str(folder), tower=None).notes
    assert [note for note in notes if f"end token 49407 is none of its {len(WORDS)} tokens" in note]


def test_without_its_tokenizer_the_text_graph_takes_ids(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    loaded = load_model(str(folder), tower=None)
    assert loaded.text is not None
    assert loaded.text.loaded.tokenizer is None
    assert "the checkpoint has no tokenizer.json, so its text graph takes token ids only" in loaded.notes


def without_text(tensors: dict[str, Tensor], _: dict[str, Any]) -> None:
    for name in [name for name in tensors if name.startswith("text_")]:
        del tensors[name]


def test_weights_without_a_text_tower_are_an_image_encoder(folder: Path) -> None:
    edited(without_text)(folder)
    loaded = load_model(str(folder), tower=None)
    assert loaded.text is None
    assert "the checkpoint has no text tower, so the image graph alone is built" in loaded.notes
    with pytest.raises(InputError, match="TOWER=both of clip: there is no text tower beside its CLIPVision"):
        load_model(str(folder), tower="both")
    with pytest.raises(InputError, match="SEQUENCE_LENGTH=6: the model takes images"):
        load_model(str(folder), sequence_length=6, tower=None)


@pytest.mark.parametrize("model", ["fashion-vit", "deit-t16"])
def test_both_towers_of_a_model_that_has_one(model: str) -> None:
    with pytest.raises(
        InputError, match=f"TOWER=both of {model}: there is no text tower beside its"
    ) as refused:
        load_model(model, "random", tower="both")
    assert refused.value.remedy == "Leave TOWER out, or give a whole CLIP"
