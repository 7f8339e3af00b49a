"""An image model's input: size, channels, and how an image becomes it. What was assumed is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from pitome.bundle.preprocess_record import Channels, ImagePreprocess
from pitome.errors import InputError
from pitome.models.family import Family
from pitome.models.image_processor import class_of_type, record_of
from pitome.models.image_size import check_image_size, square_image_size, square_patch_size
from pitome.models.preprocessing import scaled_preprocess, with_channels
from pitome.models.presets import Preset
from pitome.models.processor_file import ProcessorFile


@dataclass(frozen=True)
class ImageInput:
    """What an image model takes."""

    preprocess: ImagePreprocess
    """Its ``image_size`` is the model's."""
    notes: tuple[str, ...]
    """See ``LoadedModel.notes``."""


def image_input(
    family: Family,
    config: Any,
    file: ProcessorFile | None,
    preset: Preset | None,
    image_size: int | None,
    of_checkpoint: bool = True,
) -> ImageInput:
    """How images are prepared for a model.

    The size is ``image_size``, else the preset's, else the configuration's; a family that interpolates its
    position embeddings at every run takes that of its processor. Preprocessing of another size is scaled.

    Args:
        family: of the model.
        config: of its vision tower.
        file: the checkpoint's own, which goes before all defaults.
        preset: whose preprocessing is taken where there is no file.
        image_size: what the user asked for.
        of_checkpoint: the weights are of a folder that could have a file; a preset's own need none.

    Raises:
        InputError: a size that patches do not tile, channels that no image has, or a processor that can't be
            honoured.
    """
    channels, made_for = channels_of(config), square_image_size(config)
    notes: list[str] = []
    if file is not None:
        found = record_of(file, class_of_type(family.name), channels, (made_for, made_for))
        preprocess, notes = found.preprocess, list(found.notes)
        if preprocess.height != preprocess.width:
            raise file.refused(
                "size" if not preprocess.crops else "crop_size",
                f"makes images of {preprocess.width} x {preprocess.height} pixels (width x height), and only "
                "square ones are supported",
                "Choose another checkpoint",
            )
    else:
        default = family.default_preprocess if preset is None else preset.preprocess
        assert isinstance(default, ImagePreprocess)  # `register` refuses a family of images without one
        preprocess = with_channels(default, channels)
        if preset is None or of_checkpoint:
            notes.append(_assumed(preprocess, family.name if preset is None else preset.name, channels))
    size, reason = _size(family, config, preprocess, file, preset, image_size)
    check_image_size(size, config)
    if size != preprocess.image_size:
        if file is not None:
            notes.append(f"{reason}; {file.path.name} is for {preprocess.image_size}, and was scaled")
        preprocess = scaled_preprocess(preprocess, size)
    elif size != made_for and image_size is None:
        notes.append(
            f"the model is made for {made_for} pixels and gets {size}, as its preprocessing says: its "
            "position embeddings are interpolated"
        )
    if preprocess.fixed_size is None:
        notes.append(
            f"only images that come to {size} x {size} by themselves fit: its preprocessing "
            + ("does not resize" if preprocess.resize is None else "crops nothing off")
        )
    return ImageInput(preprocess, tuple(notes))


def channels_of(config: Any) -> Channels:
    """Channels of a vision configuration.

    Raises:
        InputError: no image has so many.
    """
    channels = getattr(config, "num_channels", 3)
    if isinstance(channels, bool) or channels not in (1, 3, 4):
        raise InputError(
            f"a model of {channels} channels",
            "images have 1 (grey), 3 (RGB) or 4 (RGB and alpha)",
            "Choose another checkpoint",
        )
    return cast(Channels, channels)


def _size(
    family: Family,
    config: Any,
    preprocess: ImagePreprocess,
    file: ProcessorFile | None,
    preset: Preset | None,
    image_size: int | None,
) -> tuple[int, str]:
    """Pixels of the input, and whose they are."""
    if image_size is not None:
        return image_size, f"images are of {image_size} pixels, as IMAGE_SIZE says"
    if preset is not None and preset.image_size is not None:
        return preset.image_size, f"images are of {preset.image_size} pixels, as {preset.name} has them"
    tiled = preprocess.image_size % square_patch_size(config) == 0
    if family.interpolates and file is not None and tiled:
        return preprocess.image_size, ""
    made_for = square_image_size(config)
    return (
        made_for,
        f"images are of {made_for} pixels, which the model is made for (see IMAGE_SIZE)",
    )


def _assumed(preprocess: ImagePreprocess, name: str, channels: Channels) -> str:
    resize = preprocess.resize
    assert resize is not None  # as make_preprocess makes it
    assert preprocess.mean is not None
    assert preprocess.std is not None
    edge = "shorter edge" if resize.shortest_edge else "both edges"
    colours = f"mean {_told(preprocess.mean)} and std {_told(preprocess.std)}"
    whose = f"{name}'s usual preprocessing" + ("" if channels == 3 else f", for {channels} channels,")
    return (
        f"there is no preprocessor_config.json and no processor_config.json with an image_processor, so "
        f"{whose} is assumed: {edge} resized, {colours}"
    )


def _told(numbers: tuple[float, ...]) -> str:
    shown = [f"{number:g}" for number in dict.fromkeys(numbers)]
    return " ".join(shown) if len(shown) > 1 else shown[0]
