"""Images in one folder per class, as ImageNet is kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError
from pitome.validate.evaluate.datasets.image_set import ImageSet
from pitome.validate.evaluate.datasets.splits import Rows, first_of_shuffled, stratified_choice
from pitome.validate.evaluate.datasets.usable_images import loader, usable_images
from pitome.validate.samples import EXAMPLES, Skipped

if TYPE_CHECKING:
    from pitome.bundle import ImagePreprocess

SUFFIXES = (".jpeg", ".jpg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
NUM_VALIDATION = 5_000
"""Images that are held out for choices, at most."""
VALIDATION_SHARE = 5
"""Of a folder without a training part a fifth is held out for choices."""
_TEST_FOLDERS = ("test", "val", "validation")
"""ImageNet's own test images have no public labels: its validation folder is what is reported."""


def read_image_folder(
    path: Path,
    split: Literal["validation", "test"],
    preprocess: ImagePreprocess,
    seed: int = 0,
    limit: int | None = None,
) -> ImageSet:
    """One split of a folder of class folders; images are decoded when they are asked for.

    With ``train`` and one of ``test``, ``val`` or ``validation`` in it, "test" is the first of these that
    there is and "validation" a seeded, stratified choice from ``train`` (at most 5,000). Else ``path`` itself
    holds the class folders: a seeded, stratified fifth (at most 5,000) is "validation" and the rest "test".

    Files are chosen by their names. Only those that are chosen are opened, and one that can't be used is
    skipped and counted: no other is taken for it.

    Args:
        path: the folder.
        split: which images.
        preprocess: of the model.
        seed: of the choices.
        limit: at most so many images, the first of a seeded permutation of the split; None = all, in order.

    Raises:
        InputError: as `class_names_of`, no class folder has an image, or none that is chosen can be used.
    """
    names = class_names_of(path)
    train, test = _parts(path)
    if train is None:
        listed = _list(path, names)
        count = min(NUM_VALIDATION, max(1, len(listed.files) // VALIDATION_SHARE))
        held = stratified_choice(listed.labels, count, seed)
        rows = held if split == "validation" else np.setdiff1d(np.arange(len(listed.files)), held)
    elif split == "validation":
        listed = _list(train, names)
        rows = stratified_choice(listed.labels, min(NUM_VALIDATION, len(listed.files)), seed)
    else:
        listed = _list(test, names)
        rows = np.arange(len(listed.files))
    return _open(listed, rows[first_of_shuffled(len(rows), limit, seed)], names, preprocess)


def class_names_of(path: Path) -> tuple[str, ...]:
    """Names of the classes: of the folders in ``train`` if there is one, else in ``path``; no file is listed.

    Raises:
        InputError: no such folder, no class folders, a training folder without one to test on, or a class
            that is in the latter only.
    """
    train, test = _parts(path)
    if train is None:
        return class_folders(path)
    names = class_folders(train)
    unknown = sorted(set(class_folders(test)) - set(names))
    if unknown:
        raise InputError(
            f"images in {test}",
            f"it has classes that the training folder has not: {', '.join(unknown[:5])}",
            "Give both the same class folders",
        )
    return names


def tested_folder(path: Path) -> Path:
    """Where the images of the "test" split lie.

    Raises:
        InputError: a training folder without one to test on.
    """
    return _parts(path)[1]


def class_folders(path: Path) -> tuple[str, ...]:
    """Names of the folders in a folder, sorted.

    Raises:
        InputError: there are none.
    """
    if not path.is_dir():
        raise InputError(f"images in {path}", "there is no such folder", "Name a folder of class folders")
    names = tuple(sorted(entry.name for entry in os.scandir(path) if entry.is_dir()))
    if not names:
        raise InputError(f"images in {path}", "it has no folders in it", "Make one folder per class")
    return names


@dataclass(frozen=True)
class _Listed:
    """Files by the names of their folders, none of them opened."""

    folder: Path
    files: list[Path]
    labels: npt.NDArray[np.int64]
    """[files]."""
    others: int
    """Files whose names do not end as an image's does."""
    no_files: tuple[str, ...]
    """Pipes, devices and links that lead nowhere."""


def _parts(path: Path) -> tuple[Path | None, Path]:
    """(training folder, folder to test on); (None, ``path``) where one folder is for both."""
    train = path / "train"
    if not train.is_dir():
        return None, path
    for name in _TEST_FOLDERS:
        if (path / name).is_dir():
            return train, path / name
    raise InputError(
        f"images in {path}",
        f"beside train there is none of {', '.join(_TEST_FOLDERS)}",
        "Name the folder that holds the class folders themselves, or add one for testing",
    )


def _list(path: Path, names: Sequence[str]) -> _Listed:
    files: list[Path] = []
    labels: list[int] = []
    others = 0
    no_files: list[str] = []
    for number, name in enumerate(names):
        folder = path / name
        entries = sorted(folder.rglob("*")) if folder.is_dir() else []
        found = [entry for entry in entries if entry.suffix.lower() in SUFFIXES and entry.is_file()]
        others += sum(entry.is_file() for entry in entries) - len(found)
        no_files += [
            str(entry.relative_to(path)) for entry in entries if not (entry.is_file() or entry.is_dir())
        ]
        files += found
        labels += [number] * len(found)
    if not files:
        raise InputError(
            f"images in {path}",
            f"its {len(names)} folders hold no image",
            f"Put images there ({', '.join(SUFFIXES)})",
        )
    return _Listed(path, files, np.array(labels, np.int64), others, tuple(no_files))


def _open(listed: _Listed, rows: Rows, names: tuple[str, ...], preprocess: ImagePreprocess) -> ImageSet:
    """Those of the files in ``rows`` that the model can be given."""
    files = [listed.files[row] for row in rows]
    named = ((str(path.relative_to(listed.folder)), path) for path in files)
    kept, skipped = usable_images(named, preprocess)
    if not kept:
        raise InputError(
            f"images in {listed.folder}",
            f"none of the {len(files)} files that were chosen can be used: {skipped[0]}",
            "Replace them, or choose by another seed or limit",
        )
    if listed.others:
        skipped = (*skipped, Skipped(listed.others, "the name does not end as an image's does"))
    if listed.no_files:
        count, first = len(listed.no_files), listed.no_files[:EXAMPLES]
        skipped = (*skipped, Skipped(count, "no regular file, or a link that leads nowhere", first))
    load = loader(lambda row: files[kept[row]], preprocess)
    return ImageSet(listed.labels[rows[kept]], names, load, skipped)
