"""A bundle of two graphs: its images or its texts, whichever is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pitome
from pitome.serving.embed import EmbedOptions, embed
from tests.pitome.runtime.bundles import bundle_of
from tests.pitome.serving.embed.embeddings import rows_of, vectors_of

pytestmark = pytest.mark.full


def test_a_whole_clip(photos: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = bundle_of(tmp_path_factory, "whole-clip")
    (tmp_path / "t.txt").write_text("coat\nbag\n", encoding="utf-8")
    images = EmbedOptions(out=tmp_path / "images", threads=1, workers=1)
    texts = replace(images, out=tmp_path / "texts", modality="text")
    embed(folder, [photos / "below"], images)
    embed(folder, [tmp_path / "t.txt"], texts)
    with pitome.load(folder) as bundle:
        of_images = bundle.images(rows_of(images.out).column("id").to_pylist())
        of_texts = bundle.texts(["coat", "bag"])
    assert np.abs(vectors_of(images.out) - of_images).max() <= 1e-5
    assert np.abs(vectors_of(texts.out) - of_texts).max() <= 1e-5
