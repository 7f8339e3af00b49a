"""idx files, written by the test."""

import gzip

import numpy as np
import pytest
import torch

from pitome.bundle import ImagePreprocess
from pitome.errors import InputError
from pitome.models.presets import PRESETS
from pitome.validate.evaluate.datasets import fashion_mnist
from pitome.validate.evaluate.datasets.fashion_mnist import (
    CLASS_NAMES,
    DEVIATION,
    FOLDER_VARIABLE,
    MEAN,
    find_folder,
    read_fashion_mnist,
    read_idx,
    read_split,
    to_pixels,
)


def write_idx(path, values):
    header = bytes((0, 0, 8, values.ndim)) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes()))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """40 training and 6 test images; the last 10 of the training file are held out."""
    monkeypatch.setattr(fashion_mnist, "NUM_VALIDATION", 10)
    generator = np.random.default_rng(0)
    for prefix, count in (("train", 40), ("t10k", 6)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8) % 10)
    return tmp_path


def test_the_splits_are_parts_of_the_files(folder):
    train, validation, test = (read_fashion_mnist(split, folder) for split in ("train", "validation", "test"))
    assert [len(part.images) for part in (train, validation, test)] == [30, 10, 6]
    whole = read_idx(folder / "train-images-idx3-ubyte.gz", 3)
    assert np.array_equal(np.concatenate([train.images, validation.images]), whole)
    assert validation.labels.tolist() == list(range(10))
    assert validation.labels.dtype == np.int64


def test_pixels_are_normalised_and_equal_in_the_three_channels(folder):
    images = read_fashion_mnist("test", folder).images
    pixels = to_pixels(images)
    assert (pixels.shape, pixels.dtype) == ((6, 3, 28, 28), torch.float32)
    expected = (images[2, 5, 7] / 255 - MEAN) / DEVIATION
    assert pixels[2, :, 5, 7].tolist() == pytest.approx([expected] * 3)


def test_images_become_pixels_when_they_are_asked_for(folder):
    preset = PRESETS["fashion-vit"].preprocess
    assert isinstance(preset, ImagePreprocess)
    split = read_split("test", preset, folder)
    assert split.class_names == CLASS_NAMES
    trained_on = to_pixels(read_fashion_mnist("test", folder).images[[4, 1]])
    torch.testing.assert_close(split.load([4, 1]), trained_on, rtol=0, atol=1e-6)


def test_the_folder_of_the_environment_variable(folder, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    assert find_folder() == folder


def test_a_missing_file_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError) as caught:
        read_fashion_mnist("train", folder)
    assert "t10k-labels-idx1-ubyte.gz is not there" in str(caught.value)
    assert "dataset-fashion-mnist" in str(caught.value)
    assert FOLDER_VARIABLE in str(caught.value)


def test_files_of_different_lengths(folder):
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", np.zeros(5, np.uint8))
    with pytest.raises(InputError, match="6 images, 5 labels"):
        read_fashion_mnist("test", folder)


def test_a_truncated_or_foreign_file(folder):
    path = folder / "t10k-images-idx3-ubyte.gz"
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[:-1]))
    with pytest.raises(InputError, match="it announces 4704 bytes and holds 4703"):
        read_idx(path, 3)
    path.write_bytes(gzip.compress(content[:9]))
    with pytest.raises(InputError, match="it is no idx file of bytes in 3 dimensions"):
        read_idx(path, 3)
    path.write_bytes(gzip.compress(content)[:-20])
    with pytest.raises(InputError, match="it can't be read"):
        read_idx(path, 3)
    path.write_bytes(b"no gzip")
    with pytest.raises(InputError, match="it can't be read"):
        read_idx(path, 3)


@pytest.mark.skipif(
    not (fashion_mnist.DEBIAN_FOLDER / "t10k-labels-idx1-ubyte.gz").is_file(),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
def test_debians_files():
    test = read_fashion_mnist("test", fashion_mnist.DEBIAN_FOLDER)
    assert test.images.shape == (10_000, 28, 28)
    assert np.bincount(test.labels).tolist() == [1000] * 10
