"""`pitome.load`: every method on small bundles, equal to PyTorch; what a bundle has not is an error."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pitome
from pitome.errors import BundleError, InputError
from pitome.runtime.bundle import Bundle
from tests.pitome.runtime.bundles import LABELS, bundle_of, checkpoint_of

pytestmark = pytest.mark.slow

Load = Callable[[str], Bundle]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    opened: dict[str, Bundle] = {}

    def get(kind: str) -> Bundle:
        if kind not in opened:
            opened[kind] = pitome.load(bundle_of(tmp_path_factory, kind), threads=1)
        return opened[kind]

    return get


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, found = tmp_path_factory.mktemp("photos"), []
    numbers = np.random.default_rng(3)
    for place in range(3):
        found.append(folder / f"{place}.png")
        Image.fromarray(numbers.integers(0, 256, (40 + place, 50, 3), np.uint8)).save(found[-1])
    return found


def merged(bundle: Path) -> torch.nn.Module:
    """PyTorch's merged model of a bundle, in float32."""
    manifest = pitome.runtime.loading.read_manifest(bundle)
    loaded = pitome.load_model(str(checkpoint_of(bundle)))
    schedule = manifest.build.schedule
    return pitome.compress(loaded.model, ratio=schedule.ratio).eval()


@pytest.mark.parametrize(
    ("kind", "output"),
    [("clip", "image_embeds"), ("classifier", "logits"), ("features", "last_hidden_state")],
)
def test_images_are_what_pytorch_computes(
    load: Load, photos: list[Path], kind: str, output: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bundle, folder = load(kind), bundle_of(tmp_path_factory, kind)
    pixels = pitome.preprocess(folder, list(photos))
    with torch.no_grad():
        wanted = getattr(merged(folder)(torch.from_numpy(pixels)), output).numpy()
    wanted = wanted[:, 0] if wanted.ndim == 3 else wanted
    found = bundle.images(photos)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_the_four_entrances_are_equal(load: Load, photos: list[Path]) -> None:
    bundle = load("clip")
    opened = [Image.open(path) for path in photos]
    ways = [
        bundle.images(photos),
        bundle.images([str(path) for path in photos]),
        bundle.images([path.read_bytes() for path in photos]),
        bundle.images(opened),
        bundle.images([np.asarray(image) for image in opened]),
    ]
    for way in ways[1:]:
        np.testing.assert_array_equal(way, ways[0])
    one = bundle.images(photos[0])
    np.testing.assert_allclose(one, ways[0][:1], rtol=0, atol=1e-5)
