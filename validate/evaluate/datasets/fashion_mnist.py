"""Fashion-MNIST from its idx files, as Debian's package ``dataset-fashion-mnist`` installs them (MIT)."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError
from pitome.validate.evaluate.datasets.image_set import ImageSet
from pitome.validate.evaluate.datasets.usable_images import loader

if TYPE_CHECKING:
    from torch import Tensor

    from pitome.bundle import ImagePreprocess

Split = Literal["train", "validation", "test"]
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FOLDER_VARIABLE = "PITOME_FASHION_MNIST"
"""Environment variable that names another folder with the four files."""
IMAGE_SIZE = 28
"""Height and width in pixels."""
NUM_VALIDATION = 5_000
"""The last images of the training file: settings are tuned on them, and no weights are fitted to them."""
CLASS_NAMES = (
    "t-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
MEAN, DEVIATION = 0.2860, 0.3530
"""Of the training file's pixels, scaled to [0, 1]."""
_FILES = {"train": "train", "validation": "train", "test": "t10k"}
_IMAGE_DIMENSIONS, _LABEL_DIMENSIONS = 3, 1


@dataclass(frozen=True)
class LabelledImages:
    """Grey images with their classes."""

    images: npt.NDArray[np.uint8]
    """[n, 28, 28]."""
    labels: npt.NDArray[np.int64]
    """[n], places in ``CLASS_NAMES``."""


def find_folder(folder: Path | None = None) -> Path:
    """The folder that holds the files: the given one, ``PITOME_FASHION_MNIST``, or Debian's.

    Raises:
        InputError: it has not all four files.
    """
    chosen = folder or Path(os.environ.get(FOLDER_VARIABLE) or DEBIAN_FOLDER)
    missing = [
        name
        for prefix in ("train", "t10k")
        for name in (f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz")
        if not (chosen / name).is_file()
    ]
    if missing:
        raise InputError(
            f"Fashion-MNIST in {chosen}",
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there",
            "Install Debian's package dataset-fashion-mnist, or name the folder of the four idx.gz files in "
            f"{FOLDER_VARIABLE}",
        )
    return chosen


def read_fashion_mnist(split: Split, folder: Path | None = None) -> LabelledImages:
    """One split: "train" (55,000 images), "validation" (the 5,000 behind them) or "test" (10,000).

    Raises:
        InputError: files that are missing, damaged, or of another length than their labels.
    """
    place, prefix = find_folder(folder), _FILES[split]
    images = read_idx(place / f"{prefix}-images-idx3-ubyte.gz", _IMAGE_DIMENSIONS)
    labels = read_idx(place / f"{prefix}-labels-idx1-ubyte.gz", _LABEL_DIMENSIONS)
    if len(images) != len(labels):
        raise InputError(
            f"Fashion-MNIST in {place}", f"{len(images)} images, {len(labels)} labels", "Install it again"
        )
    rows = {
        "train": slice(None, -NUM_VALIDATION),
        "validation": slice(-NUM_VALIDATION, None),
        "test": slice(None),
    }[split]
    return LabelledImages(images[rows], labels[rows].astype(np.int64))


def read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """An idx file of bytes, compressed by gzip.

    The format (from the page of MNIST): two zero bytes, 8 for unsigned bytes, the number of dimensions, each
    dimension as a big-endian 32-bit integer, then the bytes in row-major order.

    Raises:
        InputError: no idx file of bytes with so many dimensions, or one that is cut off.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise InputError(f"the file {path}", f"it can't be read ({error})", "Install it again") from error
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes((0, 0, 8, dimensions)):
        raise InputError(
            f"the file {path}", f"it is no idx file of bytes in {dimensions} dimensions", "Install it again"
        )
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    if len(content) - start != int(np.prod(shape)):
        raise InputError(
            f"the file {path}",
            f"it announces {int(np.prod(shape))} bytes and holds {len(content) - start}",
            "Install it again",
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def to_pixels(images: npt.NDArray[np.uint8]) -> Tensor:
    """[n, 28, 28] bytes -> float32 [n, 3, 28, 28], three equal channels, normalised by ``MEAN`` and
    ``DEVIATION``."""
    import torch

    grey = (torch.from_numpy(images.astype(np.float32)) / 255 - MEAN) / DEVIATION
    return grey.unsqueeze(1).expand(-1, 3, -1, -1).contiguous()


def read_split(split: Split, preprocess: ImagePreprocess, folder: Path | None = None) -> ImageSet:
    """The same as `read_fashion_mnist`, as images that become a model's input when they are asked for."""
    found = read_fashion_mnist(split, folder)
    return ImageSet(found.labels, CLASS_NAMES, loader(lambda row: found.images[row], preprocess))
