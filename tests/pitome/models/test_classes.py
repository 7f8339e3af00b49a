"""Every class that is taken computes what transformers computes, and says what was left aside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pitome import compress
from pitome.errors import InputError
from pitome.models.families import all_families
from pitome.models.family import Family
from pitome.models.loading import LoadedModel, load_model
from tests.tiny_families import TinyCase, tiny_inputs

FIELDS = ("last_hidden_state", "pooler_output", "logits", "image_embeds")


def is_whole(family: Family, name: str) -> bool:
    """Whether a class is of image and text towers both; a whole CLIP is in test_loading.py."""
    import transformers

    with_text = hasattr(getattr(transformers, name).config_class(), "text_config")
    return with_text and name not in family.whole_configuration


CLASSES = {
    name: TinyCase(family, name)
    for family in all_families()
    for name in (*family.architectures, *family.taken_out)
    if not is_whole(family, name)
}
SET_ASIDE = {
    "BertForMaskedLM": "the heads of pretraining, cls (5 tensors)",
    "BertForPreTraining": "the heads of pretraining, cls (7 tensors)",
    "BertForNextSentencePrediction": "the heads of pretraining, cls (2 tensors)",
    "BertForMultipleChoice": "the classifier (2 tensors)",
    "BertForQuestionAnswering": "the question-answering head, qa_outputs (2 tensors)",
    "DistilBertForMaskedLM": "vocab_layer_norm (2 tensors), vocab_projector (1 tensor), "
    "vocab_transform (2 tensors)",
    "DistilBertForMultipleChoice": "the classifier (2 tensors), the classifier's first layer (2 tensors)",
    "DistilBertForQuestionAnswering": "the question-answering head, qa_outputs (2 tensors)",
    "ViTForMaskedImageModeling": "the decoder of images (2 tensors), embeddings.mask_token (1 tensor)",
    "DeiTForMaskedImageModeling": "the decoder of images (2 tensors), embeddings.mask_token (1 tensor)",
}
"""What is left aside of each, as the note says it."""


def outputs_of(model: Any, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    with torch.no_grad():
        found = model(**inputs)
    return {name: found[name] for name in FIELDS if found.get(name) is not None}


def assert_equal(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-5)


def assert_computes(loaded: LoadedModel, case: TinyCase, wanted: Any) -> None:
    """Unmerged, and by METHOD=none, to 1e-5; the graph's outputs are among what the model returns."""
    inputs = tiny_inputs(case, loaded.model)
    reference = outputs_of(wanted, inputs)
    assert_equal(outputs_of(loaded.model, inputs), reference)
    assert_equal(outputs_of(compress(loaded.model, method="none"), inputs), reference)
    assert set(case.family.outputs[loaded.task]) <= set(reference)


def notes_on_the_class(loaded: LoadedModel) -> list[str]:
    """All but that on preprocessing, which none of these checkpoints has a file of."""
    return [note for note in loaded.notes if "preprocessor_config.json" not in note]


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_taken_computes_what_transformers_computes(name: str, tmp_path: Path) -> None:
    case = CLASSES[name]
    saved = case.save(tmp_path)
    built = case.family.taken_out.get(name, name)
    # The encoder within the very model that was saved, not one that was loaded again.
    wanted = saved if built == name else getattr(saved, saved.base_model_prefix, None)
    if wanted is None:  # a backbone is the encoder itself, with another output
        import transformers

        wanted = getattr(transformers, built).from_pretrained(tmp_path).eval()
    loaded = load_model(str(tmp_path))
    assert (loaded.architecture, type(loaded.model).__name__) == (built, built)
    assert_computes(loaded, case, wanted)
    if built != name:
        assert f"config.json names {name}, of which {built} was taken" in loaded.notes
    aside = [note for note in loaded.notes if note.startswith("set aside")]
    assert aside == ([f"set aside of the checkpoint: {SET_ASIDE[name]}"] if name in SET_ASIDE else [])


def test_every_class_that_is_taken_out_of_says_what_it_leaves() -> None:
    taken = {name for family in all_families() for name in family.taken_out}
    assert taken == {*SET_ASIDE, "Dinov2Backbone"}


@pytest.mark.parametrize("name", ["BertModel", "ViTModel", "DeiTModel"])
def test_an_encoder_that_was_saved_without_a_pooler(name: str, tmp_path: Path) -> None:
    import transformers

    case = CLASSES[name]
    whole = case.model()
    bare = getattr(transformers, name)(whole.config, add_pooling_layer=False).eval()
    bare.load_state_dict(whole.state_dict(), strict=False)
    bare.save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path))
    assert_computes(loaded, case, bare)
    assert loaded.model.pooler is None
    (note,) = notes_on_the_class(loaded)
    assert note == f"the checkpoint has no pooler and none was made up: {name} is without it"


@pytest.mark.parametrize("name", ["BertForTokenClassification", "DistilBertForTokenClassification"])
def test_a_classifier_of_tokens_keeps_every_position(name: str, tmp_path: Path) -> None:
    case = CLASSES[name]
    case.save(tmp_path)
    loaded = load_model(str(tmp_path))
    assert loaded.task == "token-classification"
    merged, inputs = compress(loaded.model, ratio=0.7), tiny_inputs(case, loaded.model)
    length = inputs["input_ids"].shape[1]
    found = outputs_of(merged, inputs)["logits"]
    assert found.shape == (2, length, 7)
    # Positions of one group have one vector; fewer groups than positions are left.
    assert len(found[0].unique(dim=0)) == merged.compression.schedule.tokens[-1]
    classifier = 7 * loaded.model.config.hidden_size
    assert case.family.shape(loaded.model).head_flops == classifier * length


def changed(folder: Path, **values: Any) -> None:
    """Other values in config.json; ``...`` takes a key out."""
    path = folder / "config.json"
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))


@pytest.mark.parametrize("name", [next(iter(family.architectures)) for family in all_families()])
def test_no_class_is_named(name: str, tmp_path: Path) -> None:
    case = CLASSES[name]
    saved = case.save(tmp_path)
    changed(tmp_path, architectures=...)
    loaded = load_model(str(tmp_path))
    assert_computes(loaded, case, saved)
    note = f"config.json names no class, so the default of its family was taken, {name}"
    assert notes_on_the_class(loaded) == [note]


def test_the_first_known_class_is_taken(tmp_path: Path) -> None:
    CLASSES["ViTModel"].save(tmp_path)
    changed(tmp_path, architectures=["ViTForDreams", "ViTModel"])
    assert load_model(str(tmp_path)).architecture == "ViTModel"


def test_a_head_that_is_not_there_is_not_made_up(tmp_path: Path) -> None:
    CLASSES["BertModel"].save(tmp_path)
    changed(tmp_path, architectures=["BertForSequenceClassification"])
    with pytest.raises(InputError, match=r"classifier\.bias is missing; classifier\.weight is missing"):
        load_model(str(tmp_path))


OF_A_RUN = {
    "output_attentions": True,
    "output_hidden_states": True,
    "return_dict": False,
    "use_return_dict": False,
    "torchscript": True,
    "use_cache": True,
    "gradient_checkpointing": True,
    "chunk_size_feed_forward": 7,
    "attn_implementation": "eager",
    "_attn_implementation": "flash_attention_2",
    "dtype": "float16",
    "torch_dtype": "float16",
    "use_bfloat16": True,
}


@pytest.mark.parametrize("key", ["all", *(pytest.param(key, marks=pytest.mark.full) for key in OF_A_RUN)])
@pytest.mark.parametrize("name", [next(iter(family.architectures)) for family in all_families()])
def test_how_somebody_ran_it_changes_nothing(name: str, key: str, tmp_path: Path) -> None:
    case = CLASSES[name]
    saved = case.save(tmp_path)
    changed(tmp_path, **(OF_A_RUN if key == "all" else {key: OF_A_RUN[key]}))
    loaded = load_model(str(tmp_path))
    assert_computes(loaded, case, saved)
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    assert loaded.model.config._attn_implementation == "sdpa"
    with torch.no_grad():
        found = loaded.model(**tiny_inputs(case, loaded.model))
    assert isinstance(found, dict)
    assert found.get("hidden_states") is found.get("attentions") is None


def test_in_the_parts_of_a_whole_model_too(tmp_path: Path) -> None:
    import transformers

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.CLIPConfig(
        text_config={**sizes, "vocab_size": 50}, vision_config={**sizes, "image_size": 32, "patch_size": 8}
    )
    transformers.CLIPModel(config).save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    changed(tmp_path, vision_config={**content["vision_config"], **OF_A_RUN}, **OF_A_RUN)
    loaded = load_model(str(tmp_path))
    with torch.no_grad():
        found = loaded.model(torch.zeros(1, 3, 32, 32))
    assert found.get("hidden_states") is found.get("attentions") is None
    assert "of CLIPModel the vision tower was taken, CLIPVisionModelWithProjection" in loaded.notes
    (aside,) = (note for note in loaded.notes if note.startswith("set aside"))
    assert "the text tower (20 tensors), the text tower's projection (1 tensor)" in aside
