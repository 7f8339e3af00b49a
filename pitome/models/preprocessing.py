"""What a model wants of its inputs where no file of its checkpoint says it. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pitome.bundle.preprocess_record import Channels, ImagePreprocess, ResizeRecord, TextPreprocess

Preprocess = ImagePreprocess | TextPreprocess
"""How an input becomes a tensor."""

Colours = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and standard deviation of each channel."""
CLIP_COLOURS: Colours = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
IMAGENET_COLOURS: Colours = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF_COLOURS: Colours = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_RESAMPLE: dict[str, Literal[2, 3]] = {"bilinear": 2, "bicubic": 3}
"""Pillow's numbers."""


def make_preprocess(
    image_size: int,
    colours: Colours,
    resize: Literal["shortest", "squash"] = "shortest",
    resize_size: int | None = None,
    resample: Literal["bicubic", "bilinear"] = "bicubic",
) -> ImagePreprocess:
    """What most recipes do: resize, cut out the middle, scale to [0, 1], normalise.

    Args:
        image_size: pixels of the square input.
        colours: mean and standard deviation of each channel.
        resize: "shortest": the shorter edge becomes ``resize_size``; "squash": both edges do.
        resize_size: None = ``image_size``.
        resample: filter of the resize.
    """
    edge, number = resize_size or image_size, _RESAMPLE[resample]
    cut = resize == "shortest" or edge != image_size
    return ImagePreprocess(
        processor=None,
        height=image_size,
        width=image_size,
        channels=3,
        resize=ResizeRecord(shortest_edge=edge, resample=number)
        if resize == "shortest"
        else ResizeRecord(height=edge, width=edge, resample=number),
        crops=((image_size, image_size),) if cut else (),
        rescale_factor=1 / 255,
        mean=colours[0],
        std=colours[1],
    )


def with_channels(preprocess: ImagePreprocess, channels: Channels) -> ImagePreprocess:
    """The same for so many channels; where they are others than before, each one's mean and std are 0.5."""
    if channels == preprocess.channels:
        return preprocess
    half = (0.5,) * channels
    return preprocess.model_copy(update={"channels": channels, "mean": half, "std": half})


def scaled_preprocess(preprocess: ImagePreprocess, image_size: int) -> ImagePreprocess:
    """The same for another input size; the margin that is cropped off keeps its proportion."""
    old = preprocess.image_size
    changed = preprocess.model_dump()
    if changed["resize"] is not None:
        for edge in ("height", "width", "shortest_edge", "longest_edge"):
            if changed["resize"][edge] is not None:
                changed["resize"][edge] = _scaled(changed["resize"][edge], old, image_size)
    changed["crops"] = tuple(
        (_scaled(height, old, image_size), _scaled(width, old, image_size))
        for height, width in preprocess.crops
    )
    return ImagePreprocess.model_validate(changed | {"height": image_size, "width": image_size})


def _scaled(pixels: int, old: int, new: int) -> int:
    return max(1, round(pixels * new / old))
