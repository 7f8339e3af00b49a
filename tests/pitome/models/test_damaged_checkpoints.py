"""Checkpoints whose files say what no model can be: refused by name, never with an error of a library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pitome.errors import InputError
from pitome.images.transform import image_tensor
from pitome.models.library_errors import as_input_error
from pitome.models.loading import load_model
from pitome.models.presets import PRESETS
from tests.tiny_models import tiny_model, tiny_text_model

CONFIG = "the model's config.json: its "
DAMAGES: dict[str, tuple[str, dict[str, Any], str]] = {
    "architectures is a number": (
        "ViTModel",
        {"architectures": 5},
        "the model's config.json: its architectures are 5, not a list of names of classes. Correct the file",
    ),
    "architectures are numbers": (
        "ViTModel",
        {"architectures": [5]},
        "the model's config.json: its architectures are [5], not a list of names of classes. Correct",
    ),
    "model_type is a list": ("ViTModel", {"model_type": ["vit"]}, "is ['vit'], not a name. Correct"),
    "no heads": (
        "ViTModel",
        {"num_attention_heads": 0},
        CONFIG + "num_attention_heads is 0, not a whole number from 1 up",
    ),
    "no pixels in a patch": (
        "ViTModel",
        {"patch_size": 0},
        CONFIG + "patch_size is 0, not a size from 1 up. Correct the file",
    ),
    "no pixels in an image": (
        "ViTModel",
        {"image_size": 0},
        CONFIG + "image_size is 0, not a size from 1 up",
    ),
    "unknown activation": (
        "ViTModel",
        {"hidden_act": "nosuch"},
        CONFIG + "hidden_act is 'nosuch', no activation",
    ),
    "padding beyond the vocabulary": (
        "BertModel",
        {"pad_token_id": 9999},
        CONFIG + "pad_token_id is 9999, not a token from 0 to 49. Correct the file",
    ),
}
PREPROCESSING: dict[str, tuple[dict[str, Any], str]] = {
    "two deviations": (
        {"image_std": [0.5, 0.5]},
        "its image_std has 2 numbers for 3 channels. Give a number for each channel",
    ),
    "a text as mean": (
        {"image_mean": ["a", 0, 0]},
        "its image_mean is ['a', 0, 0], not a number, or one for each channel. Correct the file",
    ),
    "resample is a list": (
        {"resample": [3]},
        "its resample is [3], not one of Pillow's numbers of filters, 0 to 5. Correct the file",
    ),
}


def saved(folder: Path, name: str, config: dict[str, Any]) -> Path:
    """A tiny checkpoint with changes to its ``config.json``."""
    model = tiny_text_model(name) if "Bert" in name else tiny_model(name)
    model.save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


@pytest.mark.parametrize("weights", [None, "random"])
@pytest.mark.parametrize("case", DAMAGES)
def test_configuration_that_no_model_has(tmp_path: Path, case: str, weights: str | None) -> None:
    name, config, text = DAMAGES[case]
    with pytest.raises(InputError) as refused:
        load_model(str(saved(tmp_path, name, config)), weights)
    message = str(refused.value).replace(" with IMAGE_SIZE=48", "")
    assert text in message


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_brackets_that_nest_too_deeply(tmp_path: Path, name: str) -> None:
    folder = saved(tmp_path, "ViTModel", {})
    (folder / name).write_text("[" * 200_000)
    with pytest.raises(InputError) as refused:
        load_model(str(folder))
    assert str(refused.value).startswith(f"the file {folder / name}: it is no valid JSON (")


@pytest.mark.parametrize("case", PREPROCESSING)
def test_preprocessing_of_another_kind(tmp_path: Path, case: str) -> None:
    content, text = PREPROCESSING[case]
    folder = saved(tmp_path, "ViTModel", {})
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as refused:
        load_model(str(folder))
    assert str(refused.value).startswith(f"the file {path}: {text}")


@pytest.mark.parametrize("weights", [None, "random"])
def test_image_size_beyond_all_memory(tmp_path: Path, weights: str | None) -> None:
    folder = saved(tmp_path, "ViTModel", {})
    with pytest.raises(InputError) as refused:
        load_model(str(folder), weights, image_size=80_000_000)
    assert refused.value.asked == "IMAGE_SIZE=80000000"
    assert refused.value.found.startswith("it needs at least 12,800,000.0 GB of memory, and ")
    assert refused.value.remedy == "Choose a smaller one"


@pytest.mark.parametrize("edges", [{"shortest_edge": 96}, {"shortest_edge": 120, "longest_edge": 96}])
@pytest.mark.parametrize(("name", "size"), [("ViTModel", 48), ("Dinov2Model", 96)])
def test_a_shorter_edge_without_a_crop_is_a_size_too(
    tmp_path: Path, name: str, size: int, edges: dict[str, int]
) -> None:
    """Square images come to it; a model that does not interpolate has it scaled, so that some image fits."""
    folder = saved(tmp_path, name, {})
    content = {"image_processor_type": "CLIPImageProcessor", "do_center_crop": False, "size": edges}
    (folder / "preprocessor_config.json").write_text(json.dumps(content))
    loaded = load_model(str(folder))
    assert loaded.image_size == size
    square = image_tensor(np.zeros((50, 50, 3), np.uint8), loaded.image_preprocess)
    assert square.shape == (3, size, size)


def test_image_size_beyond_all_images(tmp_path: Path) -> None:
    folder = saved(tmp_path, "ViTModel", {})
    with pytest.raises(InputError) as refused:
        load_model(str(folder), image_size=5_800)
    assert str(refused.value) == (
        "IMAGE_SIZE=5800: images of more than 33554432 pixels are not prepared. Choose a smaller one"
    )


@pytest.mark.slow
def test_no_processor_beside_the_weights_of_a_preset_is_said(tmp_path: Path) -> None:
    tiny_model("ViTForImageClassification", **PRESETS["deit-t16"].config).save_pretrained(tmp_path)
    (note,) = load_model("deit-t16", weights=str(tmp_path)).notes
    assert note.startswith("there is no preprocessor_config.json and no processor_config.json")
    assert "so deit-t16's usual preprocessing is assumed: shorter edge resized, mean 0.485" in note
    assert not load_model("deit-t16", weights="random").notes  # no folder could have one


@pytest.mark.parametrize("error", [InputError("a", "b", "c"), MemoryError(), KeyboardInterrupt()])
def test_what_passes_through_unchanged(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, as_input_error("x", "y", "z"):
        raise error
    assert raised.value is error
