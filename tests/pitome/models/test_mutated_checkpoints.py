"""A damaged checkpoint is refused with a message of ours, or is the model that transformers makes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from pitome.errors import InputError
from pitome.models.families import family_of_type
from pitome.models.loading import LoadedModel, load_model
from pitome.models.model_plan import OF_A_RUN
from tests.pitome.models.mutations import mutate
from tests.shared import shared_folder
from tests.tiny_families import TinyCase, tiny_inputs

CLASSES = {
    "BertModel": "bert",
    "BertForTokenClassification": "bert",
    "DistilBertForSequenceClassification": "distilbert",
    "ViTForImageClassification": "vit",
    "ViTModel": "vit",
    "DeiTModel": "deit",
    "Dinov2Model": "dinov2",
    "CLIPVisionModelWithProjection": "clip",
    "CLIPForImageClassification": "clip",
}
FIELDS = ("last_hidden_state", "logits", "image_embeds")
QUICK, ALL = 12, 460
"""Of each class; the first ones in `make test`."""


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        for name, family in CLASSES.items():
            TinyCase(family_of_type(family), name).save(folder / name)

    return shared_folder(tmp_path_factory, "mutated-bases", make)


def loads_or_refuses(bases: Path, folder: Path, name: str, seed: int) -> str:
    """Either "refused" or "equal"; anything else is raised."""
    shutil.copytree(bases / name, folder)
    said = mutate(folder, Random(f"{name} {seed}"))
    try:
        loaded = load_model(str(folder))
    except InputError as error:
        str(error).encode("utf-8")  # or a terminal can't show it
        return "refused"
    except BaseException as error:
        error.add_note(f"{name}, seed {seed}: {said}")
        raise
    assert_as_transformers(loaded, folder, f"{name}, seed {seed}: {said}")
    return "equal"


def assert_as_transformers(loaded: LoadedModel, folder: Path, said: str) -> None:
    """The outputs are those of transformers' own class from the same folder."""
    import transformers

    _leave_out_what_belongs_to_a_run(folder / "config.json")
    wanted_class = getattr(transformers, loaded.architecture)
    wanted = wanted_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    inputs = tiny_inputs(TinyCase(loaded.family, loaded.architecture), loaded.model)
    for name, value in _outputs(wanted, inputs).items():
        found = _outputs(loaded.model, inputs)[name]
        torch.testing.assert_close(
            found, value, rtol=1e-5, atol=1e-5, equal_nan=True, msg=lambda text: f"{said}: {text}"
        )


def _leave_out_what_belongs_to_a_run(path: Path) -> None:
    """Ours does (test_classes.py), and the library stops at some values of these keys."""
    content = json.loads(path.read_text())
    for part in (content, *(each for each in content.values() if isinstance(each, dict))):
        for key in OF_A_RUN:
            part.pop(key, None)
    path.write_text(json.dumps(content))


def _outputs(model: Any, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    with torch.no_grad():
        found = model(**inputs, return_dict=True)
    return {name: found[name] for name in FIELDS if found.get(name) is not None}


@pytest.mark.parametrize("name", CLASSES)
def test_some(name: str, bases: Path, tmp_path: Path) -> None:
    outcomes = {loads_or_refuses(bases, tmp_path / str(seed), name, seed) for seed in range(QUICK)}
    assert "refused" in outcomes


@pytest.mark.full
@pytest.mark.parametrize("name", CLASSES)
def test_many(name: str, bases: Path, tmp_path: Path) -> None:
    outcomes = []
    for seed in range(QUICK, ALL):
        outcomes.append(loads_or_refuses(bases, tmp_path / "model", name, seed))
        shutil.rmtree(tmp_path / "model")
    assert {"refused", "equal"} == set(outcomes)
