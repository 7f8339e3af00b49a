"""How a checkpoint wants its inputs: its ``preprocessor_config.json`` in our terms. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pitome.errors import InputError
from pitome.models.plain_file import read_json

Preprocess = dict[str, Any]
"""How an input becomes a tensor. Of a text: sequence_length (tokens, padded and cut to). Of a photo:
image_size (pixels of the square input), resize ("shortest": the shorter edge becomes resize_size and the
middle is cropped; "squash": both edges become resize_size), resize_size, resample ("bicubic" | "bilinear"),
mean and std (three floats each, of channels scaled to [0, 1])."""

Colours = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and standard deviation of each channel."""
CLIP_COLOURS: Colours = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
IMAGENET_COLOURS: Colours = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF_COLOURS: Colours = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_RESAMPLE = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers."""


def make_preprocess(
    image_size: int,
    colours: Colours,
    resize: Literal["shortest", "squash"] = "shortest",
    resize_size: int | None = None,
    resample: Literal["bicubic", "bilinear"] = "bicubic",
) -> Preprocess:
    """A `Preprocess`; ``resize_size`` None = ``image_size``."""
    return {
        "image_size": image_size,
        "resize": resize,
        "resize_size": resize_size or image_size,
        "resample": resample,
        "mean": list(colours[0]),
        "std": list(colours[1]),
    }


def read_preprocess(folder: Path, default: Preprocess) -> Preprocess:
    """The preprocessing of the checkpoint in ``folder``; what its file omits is taken from ``default``.

    Raises:
        InputError: ``preprocessor_config.json`` exists and is no JSON object, or a value in it is of another
            kind.
    """
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return dict(default)
    content = read_json(path)
    resample = content.get("resample")
    if not isinstance(resample, int | None):
        raise InputError(
            f"the file {path}", f"its resample is {resample!r}, not a number", "Correct the file"
        )
    size, crop = content.get("size"), content.get("crop_size")
    crops = bool(content.get("do_center_crop", crop is not None))
    resize_size = _pixels(size) or int(default["resize_size"])
    image_size = (_pixels(crop) if crops else None) or resize_size
    # A bare number is the shorter edge where a crop follows, else both edges.
    squash = "height" in size if isinstance(size, Mapping) else not crops
    normalize = content.get("do_normalize", True)
    return {
        "image_size": image_size,
        "resize": "squash" if squash else "shortest",
        "resize_size": resize_size,
        "resample": _RESAMPLE.get(-1 if resample is None else resample, default["resample"]),
        "mean": _colour(path, content, "image_mean", default["mean"]) if normalize else [0.0] * 3,
        "std": _colour(path, content, "image_std", default["std"]) if normalize else [1.0] * 3,
    }


def _colour(path: Path, content: Mapping[str, Any], key: str, default: list[float]) -> list[float]:
    """One number for each of the three channels."""
    value = content.get(key) or default
    numbers = isinstance(value, list) and all(
        isinstance(each, int | float) and math.isfinite(each) for each in value
    )
    if not numbers or len(value) != 3:
        raise InputError(f"the file {path}", f"its {key} is {value!r}, not three numbers", "Correct the file")
    return list(value)


def _pixels(size: Any) -> int | None:
    if isinstance(size, Mapping):
        size = size.get("shortest_edge", size.get("height"))
    return size if isinstance(size, int) and size > 0 else None


def scaled_preprocess(preprocess: Preprocess, image_size: int) -> Preprocess:
    """The same for another input size; the margin that is cropped off keeps its proportion."""
    resize_size = round(preprocess["resize_size"] * image_size / preprocess["image_size"])
    return {**preprocess, "image_size": image_size, "resize_size": max(resize_size, image_size)}
