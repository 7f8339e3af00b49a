"""Types of numbers and forms of files that weights come in: what is the same afterwards, and what is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pitome.models import memory
from pitome.models.loading import LoadedModel, load_model
from pitome.models.memory import available_bytes, check_memory
from pitome.models.weight_files import weight_files
from tests.tiny_models import tiny_images, tiny_model, tiny_text_model, tiny_texts


def saved(folder: Path, name: str = "ViTModel") -> dict[str, Tensor]:
    model = tiny_text_model(name) if "Bert" in name else tiny_model(name)
    model.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


def resaved(folder: Path, tensors: dict[str, Tensor]) -> LoadedModel:
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return load_model(str(folder))


def of_the_weights(loaded: LoadedModel) -> list[str]:
    """The notes, without the one on the preprocessing, which no file of these checkpoints names."""
    return [note for note in loaded.notes if "preprocessing" not in note]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_narrow_numbers_become_float32_without_loss(tmp_path: Path, dtype: torch.dtype) -> None:
    narrow = {name: value.to(dtype) for name, value in saved(tmp_path).items()}
    loaded = resaved(tmp_path, narrow)
    assert of_the_weights(loaded) == []
    wanted = resaved(tmp_path, {name: value.to(torch.float32) for name, value in narrow.items()})
    for found, value in zip(loaded.model.parameters(), wanted.model.parameters(), strict=True):
        assert found.dtype == torch.float32
        assert torch.equal(found, value)


def test_wide_numbers_are_rounded_and_that_is_said(tmp_path: Path) -> None:
    tensors = saved(tmp_path)
    exact = {name: value.double() for name, value in tensors.items()}
    assert of_the_weights(resaved(tmp_path, exact)) == []
    exact["layernorm.bias"] = exact["layernorm.bias"] + 1e-12
    note = "the weights are float64 and were rounded to float32 (layernorm.bias)"
    assert of_the_weights(resaved(tmp_path, exact)) == [note]


def test_tensors_that_share_their_numbers(tmp_path: Path) -> None:
    """A tied pair in a pickle, and views of one storage, are taken as what they hold."""
    tensors = saved(tmp_path)
    with torch.no_grad():
        wanted = load_model(str(tmp_path)).model(tiny_images(2)).last_hidden_state
    flat = torch.cat([value.flatten() for value in tensors.values()])
    views, start = {}, 0
    for name, value in tensors.items():
        views[name] = flat[start : start + value.numel()].view(value.shape)
        start += value.numel()
    (tmp_path / "model.safetensors").unlink()
    torch.save(views, tmp_path / "pytorch_model.bin")
    with torch.no_grad():
        found = load_model(str(tmp_path)).model(tiny_images(2)).last_hidden_state
    assert torch.equal(found, wanted)


def test_buffers_that_older_versions_stored(tmp_path: Path) -> None:
    tensors = saved(tmp_path, "BertModel")
    wanted = load_model(str(tmp_path)).model(**tiny_texts([40])).last_hidden_state
    loaded = resaved(tmp_path, {**tensors, "embeddings.position_ids": torch.arange(40)[None]})
    assert torch.equal(loaded.model(**tiny_texts([40])).last_hidden_state, wanted)
    assert not any("position_ids" in note for note in loaded.notes)


def test_parts_of_other_names_by_their_index(tmp_path: Path) -> None:
    tensors = saved(tmp_path)
    names = sorted(tensors)
    (tmp_path / "model.safetensors").unlink()
    for file, part in (("first.safetensors", names[::2]), ("second.safetensors", names[1::2])):
        save_file({name: tensors[name] for name in part}, tmp_path / file, metadata={"format": "pt"})
    table = dict.fromkeys(names[::2], "first.safetensors") | dict.fromkeys(names[1::2], "second.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    assert weight_files(tmp_path) == ["first.safetensors", "second.safetensors"]
    assert of_the_weights(load_model(str(tmp_path))) == []


@pytest.mark.parametrize(
    ("limit", "used", "wanted"),
    [
        ("max", "5", 8_000_000 * 1024),
        ("3000", "1000", 2000),
        ("3000", "4000", 0),
        (None, None, 8_000_000 * 1024),
    ],
)
def test_memory_is_the_machines_or_what_the_container_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None, used: str | None, wanted: int
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    8000000 kB\n")
    for name, value in (("limit", limit), ("used", used)):
        if value is not None:
            (tmp_path / name).write_text(value + "\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUPS", ((tmp_path / "limit", tmp_path / "used"),))
    assert available_bytes() == wanted


def test_where_the_system_does_not_say_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_CGROUPS", ())
    assert available_bytes() is None
    check_memory("a model", 10**30, "Choose a smaller one")
