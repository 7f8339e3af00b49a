"""The presets that come with weights, and a random clip-b16, through every method of the runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pitome
from pitome.bundle import read_manifest
from pitome.engine.export_job import export
from pitome.engine.options import ExportOptions, ModelOptions, PlaceOptions
from pitome.errors import BundleError
from pitome.settings import ScheduleOptions
from pitome.validate.evaluate.datasets.fashion_mnist import CLASS_NAMES, read_fashion_mnist
from tests.shared import shared_folder

pytestmark = pytest.mark.full
TEXTS = ["a cat sits on the mat", "a kitten rests on a rug", "the stock market fell", "a"]
SAMPLES = 500


def built(factory: pytest.TempPathFactory, model: str, **options: Any) -> Path:
    def make(folder: Path) -> None:
        place = PlaceOptions(folder, model)
        export(ExportOptions(ModelOptions(model, **options), ScheduleOptions(ratio=0.9), place=place))

    return shared_folder(factory, f"real-{model}", make) / model


def merged(model: str, **options: Any) -> Any:
    return pitome.compress(pitome.load_model(model, **options).model, ratio=0.9).eval()


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * max(1.0, float(np.abs(wanted).max())))


def photos(count: int) -> list[np.ndarray]:
    """Smooth pictures of several sizes: noise decides merges by rounding."""
    found = []
    for place in range(count):
        rows, columns = np.mgrid[0 : 240 + 10 * place, 0:320]
        colours = [np.sin(rows / (9 + place)) + np.cos(columns / (5 + 3 * channel)) for channel in range(3)]
        found.append(((np.dstack(colours) + 2) / 4 * 255).astype(np.uint8))
    return found


def test_minilm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its package has no modules of sentence-transformers: the vector is the mean of the tokens."""
    folder, model = built(tmp_path_factory, "minilm-l6"), merged("minilm-l6")
    with pitome.load(folder) as bundle:
        prepared = bundle.prepare_texts(TEXTS)
        inputs = {name: torch.from_numpy(values) for name, values in prepared.arrays.items()}
        with torch.no_grad():
            tokens = model(**inputs).last_hidden_state
        close(bundle.run(prepared.arrays)["last_hidden_state"], tokens.numpy())
        weights = inputs["attention_mask"][:, :, None].float()
        close(bundle.texts(TEXTS), ((tokens * weights).sum(1) / weights.sum(1)).numpy())
        cosines = bundle.similarity(texts=TEXTS)
        assert cosines[0, 1] > 0.5 > 0.2 > cosines[0, 2]


def test_vit_s14_focus(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, model = built(tmp_path_factory, "vit-s14-focus"), merged("vit-s14-focus")
    with pitome.load(folder) as bundle:
        with torch.no_grad():
            tokens = model(torch.from_numpy(bundle.prepare_images(photos(3)))).last_hidden_state.numpy()
        close(bundle.images(photos(3)), tokens[:, 0])


def test_fashion_vit(tmp_path_factory: pytest.TempPathFactory) -> None:
    samples = read_fashion_mnist("test")
    images, labels = list(samples.images[:SAMPLES]), samples.labels[:SAMPLES]
    with pitome.load(built(tmp_path_factory, "fashion-vit")) as bundle:
        # Not of these images: rows of their black background are equal, and rounding says which merge.
        with torch.no_grad():
            pixels = torch.from_numpy(bundle.prepare_images(photos(8)))
            close(bundle.images(photos(8)), merged("fashion-vit")(pixels).logits.numpy())
        found = [each[0].label for each in bundle.classify(images, top=1)]
    assert np.mean([label == CLASS_NAMES[place] for label, place in zip(found, labels, strict=True)]) > 0.85


ZERO_SHOT = """
import sys
import numpy as np
import pitome

given = np.load(sys.argv[2])
with pitome.load(sys.argv[1]) as bundle:
    names = [str(name) for name in given["names"]]
    found = bundle.classify(list(given["images"]), labels=names, template="a photo of a {}", top=1)
right = np.mean([names.index(each[0].label) == place for each, place in zip(found, given["labels"])])
assert not {"torch", "transformers"} & sys.modules.keys()
print(right)
"""


def test_zero_shot_by_the_runtime_alone(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    samples = read_fashion_mnist("test")
    given = {"images": samples.images[:SAMPLES], "labels": samples.labels[:SAMPLES], "names": CLASS_NAMES}
    np.savez(tmp_path / "given.npz", **given)
    folder = built(tmp_path_factory, "fashion-clip")
    words = [sys.executable, "-c", ZERO_SHOT, folder, tmp_path / "given.npz"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0.85


def test_a_random_clip(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No tokenizer comes with random weights: its text graph takes token ids."""
    options = {"weights": "random", "tower": None}
    folder = built(tmp_path_factory, "clip-b16", **options)
    with pytest.raises(BundleError, match="its weights are random"):
        pitome.load(folder)
    assert read_manifest(folder).model.system == "dual-encoder"
    with pitome.load(folder, allow_random=True) as bundle, torch.no_grad():
        pixels = torch.from_numpy(bundle.prepare_images(photos(2)))
        close(bundle.images(photos(2)), merged("clip-b16", weights="random")(pixels).image_embeds.numpy())
        ids = np.array([[49406, 320, 2368, 49407] + [0] * 73])
        text = bundle.run({"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)})
        assert text["text_embeds"].shape == (1, 512)
