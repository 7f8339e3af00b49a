"""How a checkpoint wants its images: its ``preprocessor_config.json`` in this project's terms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pitome.models.checkpoint import read_json
from pitome.models.presets import Preprocess

_RESAMPLE = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers."""


def read_preprocess(folder: Path, default: Preprocess) -> Preprocess:
    """The preprocessing of the checkpoint in ``folder``; what its file omits is taken from ``default``.

    Raises:
        InputError: ``preprocessor_config.json`` exists and is no JSON object.
    """
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return dict(default)
    content = read_json(path)
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
        "resample": _RESAMPLE.get(content.get("resample", -1), default["resample"]),
        "mean": list(content.get("image_mean") or default["mean"]) if normalize else [0.0] * 3,
        "std": list(content.get("image_std") or default["std"]) if normalize else [1.0] * 3,
    }


def _pixels(size: Any) -> int | None:
    if isinstance(size, Mapping):
        size = size.get("shortest_edge", size.get("height"))
    return size if isinstance(size, int) and size > 0 else None


def scaled_preprocess(preprocess: Preprocess, image_size: int) -> Preprocess:
    """The same for another input size; the margin that is cropped off keeps its proportion."""
    resize_size = round(preprocess["resize_size"] * image_size / preprocess["image_size"])
    return {**preprocess, "image_size": image_size, "resize_size": max(resize_size, image_size)}
