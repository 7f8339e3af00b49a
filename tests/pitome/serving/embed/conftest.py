"""Two small bundles, one of images and one of texts, and inputs for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pitome.models.sentence_checkpoint import MEAN, write_sentence_checkpoint
from tests.shared import shared_folder
from tests.tiny_models import tiny_model

SIZES = {"hidden_size": 64, "num_hidden_layers": 3, "image_size": 32, "patch_size": 8}


@pytest.fixture(scope="session")
def image_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a CLIP vision tower: 16 numbers an image."""

    def make(folder: Path) -> None:
        tiny_model("CLIPVisionModelWithProjection", **SIZES).save_pretrained(folder / "clip-tiny")
        _export(folder, "clip-tiny")

    return shared_folder(tmp_path_factory, "embed-images", make) / "build" / "clip-tiny"


@pytest.fixture(scope="session")
def text_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a sentence model: texts of 24 tokens, which are their words and two around them."""

    def make(folder: Path) -> None:
        write_sentence_checkpoint(folder / "bert-tiny", MEAN, [None])
        _export(folder, "bert-tiny")

    return shared_folder(tmp_path_factory, "embed-texts", make) / "build" / "bert-tiny"


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 pictures in a folder and one below it, two that are none, and what is left out."""

    def make(folder: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 24, 3), np.uint8)
        (folder / "below").mkdir()
        for number, each in enumerate(pixels):
            Image.fromarray(each).save(folder / ("below" if number % 3 else "") / f"{number:02d}.png")
        (folder / "damaged.jpg").write_bytes(b"no image")
        (folder / "empty.png").touch()
        (folder / "notes.md").write_text("no image", encoding="utf-8")
        (folder / ".hidden.png").touch()

    return shared_folder(tmp_path_factory, "embed-photos", make)


def _export(folder: Path, name: str) -> None:
    from pitome.engine import ExportOptions, export
    from pitome.engine.options import ModelOptions, PlaceOptions

    model = ModelOptions(model=str(folder / name))
    export(ExportOptions(model=model, precision="fp32", place=PlaceOptions(out=folder / "build")))
