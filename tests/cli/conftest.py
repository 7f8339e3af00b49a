"""Small models with weights in files, and one bundle that a real process built from one of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from pitome.cli.option_names import MAKE_VARIABLES
from tests.cli.command_line import QUICK, Outcome, finish, make_variables, start
from tests.shared import shared_folder
from tests.tiny_models import tiny_model

SIZES = {"hidden_size": 64, "num_hidden_layers": 3, "image_size": 32, "patch_size": 8}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Unmerged graphs of these models do not belong into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PITOME_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _named_by_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages name options as make does, RATIO=1.5; tests of the other way to name them unset this."""
    monkeypatch.setenv(MAKE_VARIABLES, " ".join(make_variables()))


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a CLIP vision model with projection: 16 patches and CLS, 3 layers."""
    return _saved(tmp_path_factory, "clip-tiny", "CLIPVisionModelWithProjection")


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a ViT classifier of the same size."""
    return _saved(tmp_path_factory, "vit-tiny", "ViTForImageClassification")


def _saved(factory: pytest.TempPathFactory, name: str, model: str) -> Path:
    """The folder of that name with the model's checkpoint, one for all test processes."""

    def make(folder: Path) -> None:
        tiny_model(model, **SIZES).save_pretrained(folder / name)

    return shared_folder(factory, f"checkpoint-{name}", make) / name


@pytest.fixture(scope="session")
def built(clip_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The bundle of ``pitome engine clip-tiny --json`` with default targets; read it, do not change it."""

    def make(folder: Path) -> None:
        outcome = finish(start("engine", clip_folder, "--out", folder / "build", *QUICK, "--json"))
        assert outcome.code == 0, outcome.err
        (folder / "outcome.json").write_text(json.dumps(asdict(outcome)), encoding="utf-8")

    folder = shared_folder(tmp_path_factory, "built", make)
    outcome = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
    return folder / "build" / "clip-tiny", Outcome(**outcome)


@pytest.fixture
def copied(built: tuple[Path, Outcome], clip_folder: Path, tmp_path: Path) -> Path:
    """A copy of that bundle, in an OUT of its own, from which its checkpoint is found as it names it."""
    named = tmp_path.parent / clip_folder.parent.name
    if not named.exists():  # each process of pytest-xdist has a folder of its own, one deeper than the shared
        named.symlink_to(clip_folder.parent)
    return Path(shutil.copytree(built[0], tmp_path / "build" / built[0].name))


@pytest.fixture
def changed_model(clip_folder: Path, tmp_path: Path) -> Callable[[], Path]:
    """A copy of the CLIP checkpoint, to be spoilt."""
    return lambda: Path(shutil.copytree(clip_folder, tmp_path / "model"))
