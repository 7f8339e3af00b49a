"""The images of a folder, flat or nested, as a model's inputs."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import stat
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.errors import ImageError, InputError
from pitome.images.decoding import Decoded, decode
from pitome.validate.own_data import (
    LeftOut,
    OwnSamples,
    Progress,
    Reference,
    chosen_rows,
    make_record,
    shown_name,
)
from pitome.validate.photos import to_tensor
from pitome.validate.samples import Samples

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from pitome.bundle import ImagePreprocess

SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".avif", ".jp2", ".tga"),
)
HIDDEN, NO_IMAGE_NAME = "hidden", "with a name that does not end as an image's does"
NO_FILE, NO_PERMISSION = "no regular file", "not readable"
LEADS_NOWHERE = "a link that leads nowhere"
EMPTY, UNKNOWN = "empty", "no image that Pillow can open"
DAMAGED, TOO_LARGE = "damaged or cut off", "of too many pixels"
ANOTHER_SIZE = "of another size than the model's, to which its preprocessing does not bring them"
KEPT_BYTES = 2**28
"""Decoded images are kept for the next model where all of them are no larger; else they are decoded again."""
_THUMBNAIL = 144
"""Longer side of a small picture, in pixels."""


@dataclass(frozen=True)
class ImageFiles:
    """Files of a folder whose names end as those of images do, none of them opened."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    """Below the folder, with "/"."""
    left_out: LeftOut


class UnusableImageError(Exception):
    """An image that can't be used; its text is the reason."""


def require_folder(folder: Path, asked: str) -> None:
    """InputError where this is no folder that can be listed."""
    remedy = "Name a folder of images"
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        raise InputError(asked, f"there is no folder {folder}", remedy) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(asked, f"{folder} can't be read ({reason})", remedy) from error
    if not stat.S_ISDIR(mode):
        raise InputError(asked, f"{folder} is no folder", remedy)
    if not os.access(folder, os.R_OK | os.X_OK):
        raise InputError(asked, f"{folder} can't be listed (no permission)", "Choose a folder of yours")


def list_images(folder: Path) -> ImageFiles:
    """The images below a folder, sorted by their names below it; links to folders are followed once."""
    left_out = LeftOut()
    found: list[tuple[str, Path]] = []
    seen: set[tuple[int, int]] = set()
    folders = [(folder, "")]
    for place, prefix in folders:  # grows while it is read: nesting may be deeper than Python's stack
        try:
            status = place.stat()
            names = sorted(os.listdir(place))
        except OSError:
            left_out.add(NO_PERMISSION, shown_name(prefix))
            continue
        if (status.st_dev, status.st_ino) in seen:  # a link back, or a second way to the same folder
            continue
        seen.add((status.st_dev, status.st_ino))
        for name in names:
            path = place / name
            reason = _why_not(path)
            if reason is not None:
                left_out.add(reason, shown_name(prefix + name))
            elif path.is_dir():
                folders.append((path, f"{prefix}{name}/"))
            else:
                found.append((shown_name(prefix + name), path))
    found.sort(key=lambda each: each[0])
    return ImageFiles(tuple(path for _, path in found), tuple(name for name, _ in found), left_out)


def read_images(
    reference: Reference, preprocess: ImagePreprocess, limit: int | None, seed: int, progress: Progress
) -> OwnSamples:
    """The images of a folder; each that is chosen is decoded once here, so that what is left can be used.

    Raises:
        InputError: there is none, or none that is chosen can be used.
    """
    listed = list_images(reference.path)
    if not listed.paths:
        told = listed.left_out.told()
        raise InputError(
            reference.text,
            "there is no image in it" + (f"; left out: {told}" if told else ""),
            f"Put images there ({', '.join(SUFFIXES)})",
        )
    rows = chosen_rows(len(listed.paths), limit, seed)
    usable: list[int] = []
    contents: list[tuple[str, bytes]] = []
    kept: list[Tensor] = []
    remarks: Counter[str] = Counter()
    for done, row in enumerate(rows):
        progress("images", done, len(rows))
        try:
            content = _read(listed.paths[row])
            tensor, remark = _as_tensor(content, preprocess)
        except UnusableImageError as reason:
            listed.left_out.add(str(reason), listed.names[row])
            continue
        usable.append(row)
        remarks.update([remark] if remark else [])
        contents.append((listed.names[row], hashlib.sha256(content).digest()))
        if len(usable) * tensor.numel() * tensor.element_size() <= KEPT_BYTES:
            kept.append(tensor)
    if not usable:
        raise InputError(
            reference.text,
            f"none of the {len(rows):,} images that were chosen can be used: {listed.left_out.told()}",
            "Replace them by whole ones",
        )
    for remark, count in remarks.items():
        warnings.warn(f"{count} of the images of {reference.text} are each {remark}", stacklevel=2)
    paths = [listed.paths[row] for row in usable]
    return OwnSamples(
        make_record(reference, len(listed.paths), contents, listed.left_out, limit, seed),
        tuple(listed.names[row] for row in usable),
        _Loader(paths, preprocess, kept if len(kept) == len(usable) else []),
        lambda row: thumbnail(decode_file(_read(paths[row])).image),
    )


@dataclass(frozen=True)
class _Loader:
    """Rows -> pixel_values [rows, C, H, W]."""

    paths: Sequence[Path]
    preprocess: ImagePreprocess
    kept: Sequence[Tensor]
    """All of them, or none."""

    def __call__(self, rows: Sequence[int]) -> Samples:
        import torch

        return Samples({"pixel_values": torch.stack([self._one(row) for row in rows])})

    def _one(self, row: int) -> Tensor:
        if self.kept:
            return self.kept[row]
        try:
            return _as_tensor(_read(self.paths[row]), self.preprocess)[0]
        except UnusableImageError as reason:
            raise InputError(
                f"the image {self.paths[row]}",
                f"it could be used before, and is {reason} now",
                "Leave the folder as it is until the command is done",
            ) from None


def decode_file(content: bytes, channels: int = 3) -> Decoded:
    """An image file as `pitome.images.decoding` reads it; of several frames or pages the first.

    Raises:
        UnusableImageError: it can't be decoded.
    """
    try:
        return decode(content, channels)
    except ImageError as error:
        raise UnusableImageError(_short_reason(error)) from None


def _as_tensor(content: bytes, preprocess: ImagePreprocess) -> tuple[Tensor, str | None]:
    """[C, H, W], and what was assumed to make it."""
    found = decode_file(content, preprocess.channels)
    try:
        return to_tensor(found.image, preprocess), found.remark
    except ImageError as error:
        raise UnusableImageError(_short_reason(error)) from None


def _short_reason(error: ImageError) -> str:
    """One for many images, where the error names the numbers of each."""
    shorter = {
        "none of the formats": UNKNOWN,
        "it can't be decoded": DAMAGED,
        "pixels": TOO_LARGE,
        "the model takes": ANOTHER_SIZE,
    }
    return next((reason for part, reason in shorter.items() if part in error.found), error.found)


def thumbnail(image: Image) -> str:
    """A small picture for a page: JPEG as a data URI."""
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _why_not(path: Path) -> str | None:
    """Why an entry of a folder is no candidate; None for folders and files named as images."""
    if path.name.startswith("."):
        return HIDDEN
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return LEADS_NOWHERE
    except OSError:  # a link to itself, or no permission
        return LEADS_NOWHERE if path.is_symlink() else NO_PERMISSION
    if stat.S_ISDIR(mode):
        return None
    if not stat.S_ISREG(mode):
        return NO_FILE
    return None if path.suffix.lower() in SUFFIXES else NO_IMAGE_NAME


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError:
        raise UnusableImageError(NO_PERMISSION) from None
    if not content:
        raise UnusableImageError(EMPTY)
    return content
