"""A checkpoint's processor of images as our record: the class in transformers says what its file leaves out.

The class's Pil form is asked for its own reading of the fields, so defaults and old forms of a size are its
own. What it does with them is rebuilt from the record by ``pitome.images.transform``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pitome.bundle.preprocess_record import Channels, ImagePreprocess, ResizeRecord
from pitome.errors import InputError
from pitome.images.transform import resized_size
from pitome.models.processor_file import LARGEST_EDGE, WITHOUT_INFLUENCE, ProcessorFile

HONOURED = (
    "do_resize",
    "size",
    "default_to_square",
    "resample",
    "do_center_crop",
    "crop_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
    "do_convert_rgb",
)
"""Fields of every class."""
_CODE = ("AutoImageProcessor", "AutoFeatureExtractor")
Crops = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ProcessorRecord:
    """What a file and its class come to."""

    preprocess: ImagePreprocess
    notes: tuple[str, ...]


def record_of(
    file: ProcessorFile, default_class: str | None, channels: Channels, model_size: tuple[int, int]
) -> ProcessorRecord:
    """What the file's class does with an image.

    Args:
        file: of the checkpoint.
        default_class: of the model's type, where the file names none.
        channels: that the model takes.
        model_size: height and width that the model takes: the tensor's, where nothing is resized or cropped.

    Raises:
        InputError: a class that is not rebuilt here, or a field that is not honoured, does not fit the
            others, or does not fit the model; each by its name.
    """
    name = file.class_name or default_class
    if name is None:
        raise file.refused("image_processor_type", "is missing", "Name the class of transformers there")
    notes = [] if file.note is None else [file.note]
    if file.class_name is None:
        notes.append(f"{file.path.name} names no class: {name}, that of the model's type, is taken")
    _check_fields(file, name)
    processor = _made(file, name)
    _check_needed(file, processor)
    _check_channels(file, processor, name, channels)
    resize = CLASSES[name].resize(file, processor) if processor.do_resize else _Resized(None)
    crops = (*resize.crops, *_crops(file, processor))
    if (note := _note_on_old_size(file, resize.record, crops)) is not None:
        notes.append(note)
    height, width = _size_of_a_square(resize.record, crops) or model_size
    preprocess = ImagePreprocess(
        processor=name,
        height=height,
        width=width,
        channels=channels,
        resize=resize.record,
        crops=crops,
        rescale_factor=float(processor.rescale_factor) if processor.do_rescale else None,
        mean=_each(processor.image_mean, channels) if processor.do_normalize else None,
        std=_each(processor.image_std, channels) if processor.do_normalize else None,
    )
    return ProcessorRecord(preprocess, tuple(notes))


def _check_fields(file: ProcessorFile, name: str) -> None:
    """Refuse what is not honoured."""
    if name not in CLASSES:
        import transformers

        has_form = hasattr(transformers, f"{name}Pil")
        known = ", ".join(CLASSES)
        raise file.refused(
            "image_processor_type",
            f"is {name}, "
            + (
                "whose steps are not rebuilt here"
                if has_form
                else f"of which transformers {transformers.__version__} has no Pil form"
            ),
            f"Those that are: {known}",
        )
    known_fields = {*HONOURED, *WITHOUT_INFLUENCE, *CLASSES[name].fields, "do_pad", "pad_size"}
    for field, value in file.fields.items():
        if field == "auto_map":
            named = value if isinstance(value, dict) else {}
            if any(each in named for each in _CODE):
                raise file.refused(field, "names code of the checkpoint's own, which is not run")
        elif field not in known_fields and value is not None:
            raise file.refused(
                field,
                f"is no field of {name} that is honoured here",
                "Remove it, if images are prepared without it",
            )
    if file.fields.get("do_pad"):
        raise file.refused(
            "do_pad", "is true, and images are not padded here", "Set it to false, if that fits"
        )


def _made(file: ProcessorFile, name: str) -> Any:
    """The class's own reading of the fields."""
    import transformers

    fields = {
        field: value for field, value in file.fields.items() if field in (*HONOURED, *CLASSES[name].fields)
    }
    try:
        return getattr(transformers, f"{name}Pil")(**fields)
    except (ValueError, TypeError, LookupError) as error:
        raise InputError(
            f"the file {file.path}", f"{name} refuses its fields ({error})", "Correct the file"
        ) from error


_NEEDED = {
    "do_resize": ("size", "resample"),
    "do_rescale": ("rescale_factor",),
    "do_normalize": ("image_mean", "image_std"),
}


def _check_needed(file: ProcessorFile, processor: Any) -> None:
    """A class takes null as a value that it then lacks."""
    for switch, fields in _NEEDED.items():
        for field in fields:
            if getattr(processor, switch) and getattr(processor, field) is None:
                raise file.refused(field, f"is null, and {switch} is true")


def _check_channels(file: ProcessorFile, processor: Any, name: str, channels: Channels) -> None:
    if processor.do_convert_rgb and channels != 3:
        by_default = "" if "do_convert_rgb" in file.fields else f" by default in {name}"
        raise file.refused(
            "do_convert_rgb",
            f"is true{by_default}, and the model takes {channels} channels",
            "Set it to false there, and image_mean and image_std to a number for each channel",
        )
    if not processor.do_normalize:
        return
    for field in ("image_mean", "image_std"):
        value = getattr(processor, field)
        if isinstance(value, tuple | list) and len(value) != channels:
            where = "has" if field in file.fields else f"is left out, and {name}'s own has"
            raise file.refused(
                field,
                f"{where} {len(value)} numbers for {channels} channels",
                "Give a number for each channel",
            )


def _each(value: Any, channels: Channels) -> tuple[float, ...]:
    """One number for each channel."""
    numbers = value if isinstance(value, tuple | list) else [value] * channels
    return tuple(float(number) for number in numbers)


def _crops(file: ProcessorFile, processor: Any) -> Crops:
    if not processor.do_center_crop:
        return ()
    size = processor.crop_size
    if size is None or not (size.height and size.width):
        found = "is missing, and do_center_crop is true" if size is None else "names no height and width"
        raise file.refused("crop_size", found)
    return ((size.height, size.width),)


def _size_of_a_square(resize: ResizeRecord | None, crops: Crops) -> tuple[int, int] | None:
    """Height and width that the steps make of a square image; None where they leave its own."""
    if crops:
        return crops[-1]
    return None if resize is None else resized_size((LARGEST_EDGE, LARGEST_EDGE), resize)


def _note_on_old_size(file: ProcessorFile, resize: ResizeRecord | None, crops: Crops) -> str | None:
    """DeiT's files say size 256 and crop_size 224, and were written when 256 was the shorter edge."""
    edge = file.fields.get("size")
    if not isinstance(edge, int) or resize is None or resize.height is None or not crops:
        return None
    return (
        f"size {edge} is read as transformers does: images become {edge} x {edge} before {crops[-1][0]} x "
        f"{crops[-1][1]} are cut out, where the original recipe made {edge} of the shorter edge"
    )


# What the classes do in place of a plain resize.


@dataclass(frozen=True)
class _Resized:
    """A resize, and what the class crops right after it."""

    record: ResizeRecord | None
    crops: Crops = ()


def _plain(file: ProcessorFile, processor: Any) -> _Resized:
    size, resample = processor.size, int(processor.resample)
    if size.max_height or size.max_width or size.min_pixels or size.max_pixels:
        raise _unusable_size(file, size)
    if size.shortest_edge:
        return _Resized(
            ResizeRecord(
                shortest_edge=size.shortest_edge, longest_edge=size.longest_edge, resample=_filter(resample)
            )
        )
    if size.height and size.width:
        return _Resized(ResizeRecord(height=size.height, width=size.width, resample=_filter(resample)))
    raise _unusable_size(file, size)


def _convnext(file: ProcessorFile, processor: Any) -> _Resized:
    """Below 384 pixels the shorter edge is that over crop_pct, and the middle is cut out; else a squash."""
    size, resample = processor.size, int(processor.resample)
    edge = size.shortest_edge
    if not edge or size.longest_edge:
        raise _unusable_size(file, size)
    if edge >= 384:
        return _Resized(ResizeRecord(height=edge, width=edge, resample=_filter(resample)))
    if processor.crop_pct is None:
        raise file.refused("crop_pct", f"is null, and size {edge} needs it")
    longer = int(edge / processor.crop_pct)
    if not 1 <= longer <= LARGEST_EDGE:
        raise file.refused("crop_pct", f"makes {longer} pixels of {edge}")
    return _Resized(ResizeRecord(shortest_edge=longer, resample=_filter(resample)), ((edge, edge),))


def _levit(file: ProcessorFile, processor: Any) -> _Resized:
    """The shorter edge is made longer by 256 / 224."""
    size = processor.size
    if not size.shortest_edge:
        return _plain(file, processor)
    if size.longest_edge:
        raise _unusable_size(file, size)
    edge = int((256 / 224) * size.shortest_edge)
    return _Resized(ResizeRecord(shortest_edge=edge, resample=_filter(int(processor.resample))))


def _filter(number: int) -> Any:
    """A number of Pillow's, which the record checks."""
    return number


def _unusable_size(file: ProcessorFile, size: Any) -> InputError:
    return file.refused(
        "size", f"is {dict(size)}, which is not honoured", "Give height and width, or shortest_edge"
    )


@dataclass(frozen=True)
class _Class:
    """How a class differs from a plain one."""

    resize: Callable[[ProcessorFile, Any], _Resized] = _plain
    fields: tuple[str, ...] = ()
    """That it alone has."""


CLASSES: Mapping[str, _Class] = {
    "BeitImageProcessor": _Class(),
    "BitImageProcessor": _Class(),
    "BlipImageProcessor": _Class(),
    "ChineseCLIPImageProcessor": _Class(),
    "CLIPImageProcessor": _Class(fields=("use_square_size",)),
    "ConvNextImageProcessor": _Class(_convnext, ("crop_pct",)),
    "DeiTImageProcessor": _Class(),
    "LevitImageProcessor": _Class(_levit),
    "MobileNetV1ImageProcessor": _Class(),
    "MobileNetV2ImageProcessor": _Class(),
    "PvtImageProcessor": _Class(),
    "SiglipImageProcessor": _Class(),
    "ViTImageProcessor": _Class(),
}
"""The classes whose steps are rebuilt here, each compared with its Pil form (tests/pitome/images/grid.py)."""


def class_of_type(model_type: str) -> str | None:
    """The class that transformers has for a model's type; None where it has none."""
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    named: Mapping[str, str | None] = IMAGE_PROCESSOR_MAPPING_NAMES.get(model_type, {})
    found = named.get("pil") or named.get("torchvision")
    return None if found is None else found.removesuffix("Pil")
