"""Real photos: those inside scikit-image's package (BSD or public domain, see its data/README)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pitome.errors import InputError
from pitome.images.decoding import decode_image
from pitome.images.transform import image_tensor

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from pitome.bundle import ImagePreprocess
    from pitome.images.decoding import ImageSource

PHOTOS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "microaneurysms.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)
"""Files of ``skimage/data`` made by a camera, microscope, telescope or scanner; drawings are left out."""

_CROPS = {
    "top-left": (0.0, 0.0),
    "top-right": (0.4, 0.0),
    "bottom-left": (0.0, 0.4),
    "bottom-right": (0.4, 0.4),
    "middle": (0.2, 0.2),
}
"""Name -> left and top edge, in parts of the photo; each crop is 0.6 of its width and height."""
_CROP_SIDE = 0.6


def real_photos(
    preprocess: ImagePreprocess, limit: int | None = None, augmented: bool = False
) -> tuple[list[str], Tensor]:
    """Photos as a model wants them, grey where it takes one channel.

    Where its preprocessing leaves the size to the image, a photo is brought to the model's size before.

    Args:
        preprocess: of the model.
        limit: at most so many images; None = all.
        augmented: of every photo eight views instead of one: whole, five crops of 60 %, and the mirror images
            of the whole and of the middle crop. All whole photos come first.

    Returns:
        Names, one per image, and float32 [n, C, H, W].

    Raises:
        InputError: ``limit`` is below 1, or scikit-image has not its photos.
    """
    import torch
    from PIL import ImageOps

    if limit is not None and limit < 1:
        raise InputError(f"{limit} photos", "there must be at least one", "Ask for 1 or more")
    names: list[str] = []
    tensors: list[Tensor] = []
    for name, image in _views(augmented):
        if limit is not None and len(names) == limit:
            break
        names.append(name)
        if preprocess.fixed_size is None:
            image = ImageOps.fit(image, (preprocess.width, preprocess.height))
        tensors.append(to_tensor(image, preprocess))
    return names, torch.stack(tensors)


def to_tensor(source: ImageSource, preprocess: ImagePreprocess) -> Tensor:
    """An image as float32 [C, H, W].

    Raises:
        ImageError: it can't be decoded, or does not fit the model.
    """
    import torch

    return torch.from_numpy(image_tensor(source, preprocess))


def _views(augmented: bool) -> Iterator[tuple[str, Image]]:
    from PIL import ImageOps

    for name, photo in _photos():
        yield name, photo
    if not augmented:
        return
    for name, photo in _photos():
        yield f"{name}, mirrored", ImageOps.mirror(photo)
        for crop, (left, top) in _CROPS.items():
            width, height = photo.size
            box = (left * width, top * height, (left + _CROP_SIDE) * width, (top + _CROP_SIDE) * height)
            view = photo.crop(tuple(round(edge) for edge in box))  # type: ignore[arg-type]
            yield f"{name}, {crop}", view
            if crop == "middle":
                yield f"{name}, {crop}, mirrored", ImageOps.mirror(view)


def _photos() -> Iterator[tuple[str, Image]]:
    """Name and RGB image; grey ones get three equal channels."""
    from importlib.resources import as_file, files

    from PIL import Image

    folder = files("skimage.data")
    for name in PHOTOS:
        resource = folder / name
        if not resource.is_file():
            raise InputError(
                f"the photo {name} of scikit-image",
                "the installed package does not carry it",
                "Install scikit-image 0.26 or newer from PyPI",
            )
        with as_file(resource) as path, Image.open(path) as image:
            yield name.partition(".")[0], decode_image(image)
