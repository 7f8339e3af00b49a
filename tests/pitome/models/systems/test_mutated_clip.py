"""A damaged checkpoint of a whole CLIP is refused with our message, or its text tower is transformers'."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

import pytest
import torch

from pitome.errors import InputError
from pitome.models.loading import LoadedModel, load_model
from pitome.models.model_plan import OF_A_RUN
from tests.pitome.models.mutations import mutate
from tests.shared import shared_folder
from tests.validate.evaluate.tasks.small_clip import LENGTH, WORDS, write_clip

QUICK, ALL = 24, 400


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "mutated-clip", write_clip)


def loads_or_refuses(base: Path, folder: Path, seed: int) -> str:
    """One of "refused", "image alone" and "equal"; anything else is raised."""
    shutil.copytree(base, folder)
    said = mutate(folder, Random(f"whole clip {seed}"))
    try:
        loaded = load_model(str(folder), tower=None)
        if loaded.text is None:
            return "image alone"
        assert_as_transformers(loaded, folder)
    except InputError as error:
        str(error).encode("utf-8")  # or a terminal can't show it
        return "refused"
    except BaseException as error:
        error.add_note(f"seed {seed}: {said}")
        raise
    return "equal"


def assert_as_transformers(loaded: LoadedModel, folder: Path) -> None:
    from transformers import CLIPModel

    assert loaded.text is not None
    path = folder / "config.json"
    content = json.loads(path.read_text())
    for part in (content, *(each for each in content.values() if isinstance(each, dict))):
        for key in OF_A_RUN:
            part.pop(key, None)
    # The weights go before it, and the library stops at a whole number.
    path.write_text(json.dumps(content | {"logit_scale_init_value": 2.0}))
    whole = CLIPModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    length, vocabulary = loaded.text.loaded.sequence_length, loaded.text.loaded.model.config.vocab_size
    ids = torch.randint(1, min(vocabulary, len(WORDS)), (3, min(length or LENGTH, LENGTH)))
    with torch.no_grad():
        wanted = whole.get_text_features(input_ids=ids)
        found = loaded.text.loaded.model(input_ids=ids).text_embeds
    wanted = getattr(wanted, "pooler_output", wanted)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5, equal_nan=True)
    assert loaded.text.logit_scale == pytest.approx(whole.logit_scale.exp().item(), rel=1e-5)


def test_some(base: Path, tmp_path: Path) -> None:
    outcomes = {loads_or_refuses(base, tmp_path / str(seed), seed) for seed in range(QUICK)}
    assert {"refused", "equal"} <= outcomes


@pytest.mark.full
def test_many(base: Path, tmp_path: Path) -> None:
    outcomes = set()
    for seed in range(QUICK, ALL):
        outcomes.add(loads_or_refuses(base, tmp_path / "model", seed))
        shutil.rmtree(tmp_path / "model")
    assert {"refused", "equal"} <= outcomes
