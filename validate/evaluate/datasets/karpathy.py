"""Flickr30k and COCO in Karpathy's splits: a JSON file with captions, and a folder of images.

The files are ``dataset_flickr30k.json`` and ``dataset_coco.json`` of Karpathy and Fei-Fei (2015, "Deep
Visual-Semantic Alignments"). The split "restval" of COCO counts as training data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pitome.errors import InputError
from pitome.validate.evaluate.datasets.image_set import ImageSet
from pitome.validate.evaluate.datasets.splits import first_of_shuffled
from pitome.validate.evaluate.datasets.usable_images import loader, usable_images
from pitome.validate.samples import EXAMPLES, Skipped

if TYPE_CHECKING:
    from pitome.bundle import ImagePreprocess

CAPTIONS_PER_IMAGE = 5
"""The first ones: COCO has a sixth or seventh for some images, which the protocol leaves out."""
_SPLITS = {"validation": ("val",), "test": ("test",), "train": ("train", "restval")}


@dataclass(frozen=True)
class CaptionedImages:
    """The images of one split, labelled with their place, and their captions."""

    images: ImageSet
    captions: tuple[tuple[str, ...], ...]
    """Those of each image."""


def read_karpathy(
    description: Path,
    folder: Path,
    split: Literal["train", "validation", "test"],
    preprocess: ImagePreprocess,
    limit: int | None = None,
    seed: int = 0,
) -> CaptionedImages:
    """One split; images that are not there or can't be used are skipped and counted.

    Args:
        description: the JSON file.
        folder: where its images lie, by their ``filename`` (Flickr30k), or by ``filepath/filename`` (COCO).
        split: "test" and "validation" as published; "train" with "restval".
        preprocess: of the model.
        limit: at most so many images, a seeded choice from those that are listed; None = all. For one that
            is then skipped no other is taken.
        seed: of the choice.

    Raises:
        InputError: an unreadable description, a split without images, or none of its images in the folder.
    """
    entries = [entry for entry in _entries(description) if entry.get("split") in _SPLITS[split]]
    entries = [entries[place] for place in first_of_shuffled(len(entries), limit, seed)]
    paths = [_image_path(folder, entry) for entry in entries]
    named = zip((entry["filename"] for entry in entries), paths, strict=True)
    kept, skipped = usable_images(
        ((name, path if path.is_file() else None) for name, path in named), preprocess
    )
    if not kept:
        raise InputError(
            f"the {split} images of {description.name} in {folder}",
            f"{len(entries)} are listed, and none of them can be used"
            + "".join(f": {part}" for part in skipped[:1]),
            "Name the folder of the images, for COCO the one that holds train2014 and val2014",
        )
    captions = tuple(_captions(entries[place], description) for place in kept)
    silent = [entries[place]["filename"] for place, found in zip(kept, captions, strict=True) if not found]
    if silent:
        skipped = (*skipped, Skipped(len(silent), "the image has no caption", tuple(silent[:EXAMPLES])))
        kept = [place for place, found in zip(kept, captions, strict=True) if found]
        captions = tuple(found for found in captions if found)
    load = loader(lambda row: paths[kept[row]], preprocess)
    images = ImageSet(np.arange(len(kept)), (), load, skipped)
    return CaptionedImages(images, captions)


def require_files(description: Path, folder: Path) -> None:
    """See that both are there, without reading them.

    Raises:
        InputError: one is not.
    """
    if not description.is_file():
        raise InputError(
            f"the captions {description}",
            "there is no such file",
            "Give dataset_flickr30k.json or dataset_coco.json",
        )
    if not folder.is_dir():
        raise InputError(f"images in {folder}", "there is no such folder", "Name the folder of the images")


def _entries(description: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(description.read_text(encoding="utf-8"))
        entries = content["images"]
        if not all(isinstance(entry["filename"], str) and entry["sentences"] for entry in entries):
            raise ValueError("an image without a filename or sentences")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the captions {description}",
            f"it can't be read as Karpathy's JSON ({type(error).__name__}: {error})",
            "Give dataset_flickr30k.json or dataset_coco.json",
        ) from error
    return list(entries)


def _image_path(folder: Path, entry: Mapping[str, Any]) -> Path:
    nested = folder / str(entry.get("filepath", "")) / entry["filename"]
    path = nested if nested.is_file() else folder / entry["filename"]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"the image {entry['filename']}", f"it lies outside {folder}", "Give the published description"
        )
    return path


def _captions(entry: Mapping[str, Any], description: Path) -> tuple[str, ...]:
    try:
        texts = [sentence["raw"] for sentence in entry["sentences"][:CAPTIONS_PER_IMAGE]]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"the captions {description}",
            f"{entry['filename']} has a sentence without its text ({error})",
            "Give the published description",
        ) from error
    return tuple(text for text in texts if isinstance(text, str))
