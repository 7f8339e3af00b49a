"""Every preset takes the config.json that the hub has for it, and weights of the class that it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pitome.models.families import family_of_type
from pitome.models.loading import load_model
from pitome.models.model_plan import check_same_model, plan_model
from pitome.models.presets import PRESETS
from pitome.models.registry import resolve_model
from pitome.models.sources import Source
from tests.pitome.models.published_configs import PUBLISHED, WEIGHTS_OF

SMALL = {
    "hidden_size": 32,
    "dim": 32,
    "intermediate_size": 64,
    "hidden_dim": 64,
    "num_hidden_layers": 2,
    "n_layers": 2,
    "num_attention_heads": 2,
    "n_heads": 2,
    "vocab_size": 120,
    "out_features": ["stage2"],
    "out_indices": [2],
    "stage_names": ["stem", "stage1", "stage2"],
}


def small(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same file with small sizes, in its parts too."""
    return {
        key: small(value)
        if isinstance(value, Mapping) and key.endswith(("_config", "_dict"))
        else SMALL.get(key, value)
        for key, value in content.items()
    }


def test_every_preset_of_the_hub_has_one() -> None:
    others = {"vit-s14-focus", "fashion-vit", "fashion-clip"}
    assert set(PUBLISHED) == set(PRESETS) - others


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_is_the_presets_model(name: str) -> None:
    """At its real size: class, task, sizes and activation."""
    preset, content = PRESETS[name], PUBLISHED[name]
    plan = plan_model(content, preset)
    check_same_model(resolve_model(name), Source(content, None, None, "the hub"), plan)
    assert (plan.architecture, plan.task, plan.family.name) == (
        preset.architecture,
        preset.task,
        preset.family,
    )
    sizes = plan.family.vision_config(plan.config)
    assert {key: getattr(sizes, key) for key in preset.config if hasattr(sizes, key)} == {
        key: value for key, value in preset.config.items() if hasattr(sizes, key)
    }


QUICK = ("clip-b16", "clip-l14-laion", "deit-s16", "deit-t16-distilled", "dinov2-s14", "minilm-l6", "bert-b")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.full) for name in PUBLISHED],
)
def test_its_weights_are_taken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder as the hub has it, but small: what comes out is what transformers' own class computes."""
    import transformers

    content, preset = small(PUBLISHED[name]), PRESETS[name]
    tiny = {key: SMALL.get(key, value) for key, value in preset.config.items()}
    monkeypatch.setitem(PRESETS, name, replace(preset, config=tiny))
    saved_class = getattr(transformers, WEIGHTS_OF.get(name, content["architectures"][0]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        saved = saved_class(saved_class.config_class.from_dict(dict(content))).eval()
    tensors = {key: value.clone() for key, value in saved.state_dict().items()}
    if name == "bert-b":  # its tensors have the names of TensorFlow's
        tensors = {
            key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ): value
            for key, value in tensors.items()
        }
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(content))
    loaded = load_model(name, weights=str(tmp_path))
    family = family_of_type(preset.family)
    inputs = family.example_inputs(loaded.model, 2)
    if family.modality == "image":
        inputs = {key: torch.randn_like(value) for key, value in inputs.items()}
    built = getattr(transformers, preset.architecture)
    at_its_size = "clip" in name or "dinov2" in name or family.modality == "text"  # or interpolates by itself
    options = {} if at_its_size else {"interpolate_pos_encoding": True}
    with torch.no_grad():
        found = loaded.model(**inputs)
        wanted = built.from_pretrained(tmp_path).eval()(
            **inputs, **(options if family.modality == "image" else {})
        )
    for field in family.outputs[preset.task]:
        torch.testing.assert_close(found[field], wanted[field], rtol=0, atol=1e-5)


def test_a_presets_class_goes_before_the_files(tmp_path: Path) -> None:
    plan = plan_model(PUBLISHED["bert-b"], PRESETS["bert-b"])
    assert plan.notes == ("config.json names BertForMaskedLM, of which BertModel was taken",)
    assert plan_model(PUBLISHED["minilm-l6"], PRESETS["minilm-l6"]).notes == ()
