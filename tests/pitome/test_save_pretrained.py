"""A compressed model is saved as an ordinary checkpoint of the model that it was made from."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pitome import compress
from tests.tiny_models import tiny_images, tiny_model, tiny_text_model, tiny_texts

NAMES = ("CLIPVisionModelWithProjection", "DeiTForImageClassificationWithTeacher", "Dinov2Model", "BertModel")


def make(name: str) -> tuple[Any, dict[str, torch.Tensor]]:
    if "Bert" in name:
        return tiny_text_model(name), tiny_texts([40, 12])
    return tiny_model(name), {"pixel_values": tiny_images(2)}


@pytest.mark.parametrize("name", NAMES)
def test_the_library_loads_the_base_model_from_it(name: str, tmp_path: Path) -> None:
    model, inputs = make(name)
    model.save_pretrained(tmp_path / "base")
    compress(model, ratio=0.8).save_pretrained(tmp_path / "merged")  # type: ignore[operator]
    base, merged = (json.loads((tmp_path / kind / "config.json").read_text()) for kind in ("base", "merged"))
    assert merged == base
    weights = [(tmp_path / kind / "model.safetensors").read_bytes() for kind in ("base", "merged")]
    assert weights[0] == weights[1]
    loaded = type(model).from_pretrained(tmp_path / "merged").eval()
    with torch.no_grad():
        assert torch.equal(loaded(**inputs)[0], model(**inputs)[0])
        assert torch.equal(compress(loaded, ratio=0.8)(**inputs)[0], compress(model, ratio=0.8)(**inputs)[0])


def test_the_short_form_is_saved_alike(tmp_path: Path) -> None:
    model, inputs = make("CLIPVisionModelWithProjection")
    short: Any = compress(model, ratio=0.8, tokens="merged")
    assert list(short.state_dict()) == list(model.state_dict())
    assert isinstance(short, type(model))
    short.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [type(model).__name__]
    loaded = type(model).from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(loaded(**inputs)[0], model(**inputs)[0])


def test_what_was_trained_while_merging_is_what_is_saved(tmp_path: Path) -> None:
    model, inputs = make("Dinov2Model")
    model = copy.deepcopy(model)
    merged: Any = compress(model, ratio=0.7).train()
    optimizer = torch.optim.SGD(merged.parameters(), lr=0.1)
    merged(**inputs).last_hidden_state.square().mean().backward()
    before = model.encoder.layer[2].mlp.fc1.weight.detach().clone()
    optimizer.step()
    merged.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path).eval()
    trained = loaded.encoder.layer[2].mlp.fc1.weight
    assert not torch.equal(trained, before)
    assert torch.equal(trained, model.encoder.layer[2].mlp.fc1.weight)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_copy_in_another_type_keeps_names_and_merges(dtype: torch.dtype) -> None:
    model, inputs = make("Dinov2Model")
    merged: Any = compress(model, ratio=0.8)
    narrow = copy.deepcopy(merged).to(dtype)
    assert list(narrow.state_dict()) == list(model.state_dict())
    assert {tensor.dtype for tensor in narrow.parameters()} == {dtype}
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
    with torch.no_grad():
        output = narrow(inputs["pixel_values"].to(dtype)).last_hidden_state
    assert output.dtype == dtype
    assert len(output[0].unique(dim=0)) == narrow.compression.schedule.tokens[-1]


def test_weights_of_the_base_load_into_a_compressed_model() -> None:
    model, inputs = make("Dinov2Model")
    merged: Any = compress(tiny_model("Dinov2Model", seed=1), ratio=0.8)
    merged.load_state_dict(model.state_dict(), strict=True)
    with torch.no_grad():
        assert torch.equal(merged(**inputs)[0], compress(model, ratio=0.8)(**inputs)[0])
