"""The steps of a checkpoint's preprocessing, with Pillow and numpy, as its class in transformers does them.

``tests/pitome/images/grid.py`` compares every class, field and size with that class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pitome.errors import ImageError, InputError
from pitome.images.decoding import decode, named

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from pitome.bundle.preprocess_record import ImagePreprocess, ResizeRecord
    from pitome.images.decoding import ImageSource

MAX_RESIZED_PIXELS = 2**25
"""Of a resized image. The shorter edge of a picture of 30,000 x 1 pixels made 224 would need 1.5 thousand
million of them; a panorama of 100:1 for a model of 518 pixels has 27 million."""


def image_tensor(source: ImageSource, preprocess: ImagePreprocess) -> NDArray[np.float32]:
    """Any image as a model takes it, float32 [C, H, W].

    Raises:
        ImageError: it can't be decoded, or the steps do not give the model's size.
    """
    return transform(decode(source, preprocess.channels).image, preprocess, named(source))


def transform(image: Image, preprocess: ImagePreprocess, asked: str = "an image") -> NDArray[np.float32]:
    """A decoded image as a model takes it, float32 [C, H, W].

    Args:
        image: of mode L, RGB or RGBA, as many channels as ``preprocess`` says.
        preprocess: of the model.
        asked: what an error says that was asked for.

    Raises:
        ImageError: it would be larger than `MAX_RESIZED_PIXELS` after the resize, vanish in it, or not be of
            the model's size after all steps. Nothing is allocated before that is known.
    """
    check_size(image.size, preprocess, asked)
    if preprocess.resize is not None:
        height, width = resized_size(image.size, preprocess.resize)
        image = image.resize((width, height), preprocess.resize.resample)
    pixels = np.asarray(image)
    pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    for height, width in preprocess.crops:
        pixels = _cropped(pixels, height, width)
    return np.ascontiguousarray(_normalised(pixels, preprocess))


def check_size(size: tuple[int, int], preprocess: ImagePreprocess, asked: str) -> None:
    """Refuse an image by its width and height alone, as `transform` would.

    Raises:
        ImageError: as `transform`.
    """
    width, height = size
    if preprocess.resize is not None:
        height, width = resized_size(size, preprocess.resize)
        if height < 1 or width < 1:
            raise ImageError(
                asked, f"it is {size[0]} x {size[1]} and would be {width} x {height} resized", "Crop it first"
            )
        if height * width > MAX_RESIZED_PIXELS:
            raise ImageError(
                asked,
                f"it is {size[0]} x {size[1]} and would be {width} x {height} resized: more than "
                f"{MAX_RESIZED_PIXELS} pixels",
                "Crop it first",
            )
    if preprocess.crops:
        height, width = preprocess.crops[-1]
    if (height, width) != (preprocess.height, preprocess.width):
        how = "its preprocessing does not resize" if preprocess.resize is None else "nothing is cropped off"
        raise ImageError(
            asked,
            f"it is {size[0]} x {size[1]} and comes to {width} x {height}, the model takes "
            f"{preprocess.width} x {preprocess.height}, and {how}",
            f"Resize it to {preprocess.width} x {preprocess.height} first",
        )


def resized_size(size: tuple[int, int], resize: ResizeRecord) -> tuple[int, int]:
    """Height and width after the resize of an image of this width and height."""
    width, height = size
    if resize.height is not None and resize.width is not None:
        return resize.height, resize.width
    assert resize.shortest_edge is not None  # else the record is none
    if resize.longest_edge is not None:
        return _within(height, width, resize.shortest_edge, resize.longest_edge)
    longer = int(resize.shortest_edge * max(size) / min(size))
    return (longer, resize.shortest_edge) if width <= height else (resize.shortest_edge, longer)


def _within(height: int, width: int, shortest: int, longest: int) -> tuple[int, int]:
    """The shorter edge becomes ``shortest``, or less where the longer one would exceed ``longest``."""
    exact: float = shortest
    if max(height, width) / min(height, width) * shortest > longest:
        exact = longest * min(height, width) / max(height, width)
        shortest = round(exact)
    if min(height, width) == shortest:
        return height, width
    if width < height:
        return int(exact * height / width), shortest
    return shortest, int(exact * width / height)


def _cropped(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The middle of [C, h, w] as [C, height, width], surrounded by zeros where that is larger."""
    _, old_height, old_width = pixels.shape
    full_height, full_width = max(height, old_height), max(width, old_width)
    if (full_height, full_width) != (old_height, old_width):
        # The odd row and column of zeros lie above and at the left.
        above, left = (full_height - old_height + 1) // 2, (full_width - old_width + 1) // 2
        surrounded = np.zeros((len(pixels), full_height, full_width), pixels.dtype)
        surrounded[:, above : above + old_height, left : left + old_width] = pixels
        top, start = (old_height - height) // 2 + above, (old_width - width) // 2 + left
    else:
        surrounded = pixels
        top, start = (old_height - height) // 2, (old_width - width) // 2
    return surrounded[:, top : top + height, start : start + width]


def _normalised(pixels: NDArray[np.uint8], preprocess: ImagePreprocess) -> NDArray[np.float32]:
    """[C, H, W], multiplied in float64 and normalised in float32, as transformers does."""
    if preprocess.rescale_factor is None:
        scaled = pixels.astype(np.float32)
    else:
        scaled = (pixels.astype(np.float64) * preprocess.rescale_factor).astype(np.float32)
    if preprocess.mean is None or preprocess.std is None:
        return scaled
    mean, std = (
        np.array(numbers, np.float32)[:, None, None] for numbers in (preprocess.mean, preprocess.std)
    )
    return (scaled - mean) / std


def shown_pixels(tensor: NDArray[np.float32], preprocess: ImagePreprocess) -> NDArray[np.uint8]:
    """What a person is shown of a model's input [C, H, W]: RGB [H, W, 3], alpha left out."""
    values = tensor.astype(np.float32)
    if preprocess.mean is not None and preprocess.std is not None:
        mean, std = (np.array(each, np.float32)[:, None, None] for each in (preprocess.mean, preprocess.std))
        values = values * std + mean
    values = values / np.float32(preprocess.rescale_factor or 1)
    pixels = np.clip(values + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return pixels[:, :, :3] if pixels.shape[2] > 1 else np.repeat(pixels, 3, axis=2)


def stack(tensors: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """[C, H, W] of several images -> [n, C, H, W]."""
    if not tensors:
        raise InputError("no images", "the list is empty", "Give one or more")
    return np.stack(tensors)
