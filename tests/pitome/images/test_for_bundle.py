"""``pitome.preprocess``: what a bundle's model takes, from whatever an image comes as."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pitome
from pitome.bundle import Manifest, TextPreprocess, read_manifest, write_manifest
from pitome.errors import BundleError, ImageError, InputError
from pitome.images.transform import image_tensor
from tests.pitome.bundle.bundle_cases import document, make_bundle
from tests.pitome.images.image_files import oriented, saved

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Of a model of 32 pixels whose shorter edge becomes 36."""
    return make_bundle(tmp_path)


def test_a_file_its_bytes_an_array_and_an_image(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    PHOTO.save(path)
    manifest = read_manifest(bundle)
    wanted = image_tensor(PHOTO, manifest.model.preprocess)
    assert (wanted.shape, wanted.dtype) == ((3, 32, 32), np.float32)
    for source in (path, str(path), path.read_bytes(), np.asarray(PHOTO), PHOTO):
        for where in (bundle, str(bundle), manifest):
            assert np.array_equal(pitome.preprocess(where, source), wanted)


def test_several_images(bundle: Path) -> None:
    found = pitome.preprocess(bundle, [PHOTO, PHOTO.rotate(90)])
    assert found.shape == (2, 3, 32, 32)
    assert np.array_equal(found[0], pitome.preprocess(bundle, PHOTO))
    assert np.array_equal(found, pitome.preprocess(bundle, (PHOTO, PHOTO.rotate(90))))


def test_a_photo_is_turned(bundle: Path) -> None:
    turned = pitome.preprocess(bundle, oriented(PHOTO, 6))
    assert np.array_equal(turned, pitome.preprocess(bundle, PHOTO.transpose(Image.Transpose.ROTATE_270)))


def test_a_float_image_is_taken_and_that_is_said(bundle: Path) -> None:
    image = np.asarray(PHOTO).astype(np.float32) / 100
    with pytest.warns(
        UserWarning, match=r"of float32: a float image, scaled by its own minimum and maximum$"
    ):
        pitome.preprocess(bundle, image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pitome.preprocess(bundle, PHOTO)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (None, r"^an image: it is None, which is no image"),
        ([], r"^no images: the list is empty"),
        ([PHOTO, None], r"^an image, number 2: it is None, which is no image"),
        ("nowhere.jpg", r"^the image nowhere\.jpg: there is no such file"),
        ([PHOTO, b"?"], r"^an image of 1 bytes, number 2: it is none of the formats"),
        (
            Image.new("RGB", (30_000, 1)),
            r"^a PIL image of mode RGB, 30000 x 1: it is 30000 x 1 and would be 10",
        ),
    ],
)
def test_what_is_no_image(bundle: Path, images: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pitome.preprocess(bundle, images)


def test_a_cut_off_file(bundle: Path) -> None:
    file = saved(PHOTO, "JPEG")
    with pytest.raises(ImageError, match=r"it can't be decoded \("):
        pitome.preprocess(bundle, file[: len(file) // 2])


def test_a_bundle_of_texts(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    model = manifest.model.model_copy(update={"preprocess": TextPreprocess(sequence_length=128)})
    with pytest.raises(
        InputError, match=r"images for clip-b16: its model takes texts of 128 tokens\. Give it "
    ):
        pitome.preprocess(manifest.model_copy(update={"model": model}), PHOTO)


def test_no_bundle_and_a_changed_one(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no such folder"):
        pitome.preprocess(tmp_path / "nowhere", PHOTO)
    path = bundle / "manifest.json"
    path.write_text(path.read_text().replace('"shortest_edge": 36', '"shortest_edge": 37'))
    with pytest.raises(BundleError, match="is damaged: expected sha256"):
        pitome.preprocess(bundle, PHOTO)


@pytest.mark.slow
def test_it_needs_neither_torch_nor_transformers(bundle: Path, tmp_path: Path) -> None:
    PHOTO.save(tmp_path / "photo.png")
    code = (
        "import json, sys, pitome\n"
        "found = pitome.preprocess(sys.argv[1], sys.argv[2])\n"
        "loaded = sorted({name.partition('.')[0] for name in sys.modules} & {'torch', 'transformers'})\n"
        "print(json.dumps([list(found.shape), float(found.sum()), loaded]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle), str(tmp_path / "photo.png")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    shape, total, loaded = json.loads(done.stdout)
    assert (shape, loaded) == ([3, 32, 32], [])
    assert total == float(pitome.preprocess(bundle, PHOTO).sum())


def test_manifests_in_memory_are_taken(tmp_path: Path) -> None:
    manifest = Manifest.model_validate(document())
    write_manifest(tmp_path, manifest)
    assert np.array_equal(pitome.preprocess(tmp_path, PHOTO), pitome.preprocess(manifest, PHOTO))


@pytest.mark.parametrize("name", ["photo.png", "/dev/zero"])
def test_a_pipe_or_a_device_is_not_waited_for(bundle: Path, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "photo.png")
    with pytest.raises(ImageError, match=rf"{name}: it is a pipe or a device\. Give a file$"):
        pitome.preprocess(bundle, tmp_path / name)
