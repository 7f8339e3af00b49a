"""The file of a checkpoint that says how its images are prepared: found, read and checked, field by field.

Every field is honoured, named here as one that changes no pixel, or refused by its name: none is dropped.
Imports neither torch nor transformers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitome.errors import InputError
from pitome.models.plain_file import read_json

PREPROCESSOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"
NESTED = "image_processor"
"""Where transformers 5 keeps the fields in `PROCESSOR`; they go before those of `PREPROCESSOR`, as there."""
LARGEST_EDGE = 2**12
"""Pixels that a size may name."""
_LARGEST, _LEAST = 1e36, 1e-36
"""Of numbers that float32 has room for, with some to spare for a pixel's 255."""

WITHOUT_INFLUENCE = frozenset(
    {
        "_name_or_path",
        "_processor_class",
        "_valid_processor_keys",
        "data_format",
        "device",
        "disable_grouping",
        "do_reduce_labels",
        "feature_extractor_type",
        "image_processor_type",
        "image_seq_length",
        "input_data_format",
        "model_input_names",
        "processor_class",
        "reduce_labels",
        "return_tensors",
        "transformers_version",
    }
)
"""Fields that change no pixel of one image: names, labels of segmentation, the form of arrays in Python."""


@dataclass(frozen=True)
class ProcessorFile:
    """What a checkpoint says of its images."""

    path: Path
    fields: Mapping[str, Any]
    """As they stand in the file, each of the right kind, or null: no value, not the class's own either."""
    note: str | None = None
    """Which of two files was taken."""

    @property
    def class_name(self) -> str | None:
        """The class of transformers that it names, without what says how it is implemented; None: none."""
        named: str | None = self.fields.get("image_processor_type") or self.fields.get(
            "feature_extractor_type"
        )
        if named is None:
            return None
        return named.replace("FeatureExtractor", "ImageProcessor").removesuffix("Fast").removesuffix("Pil")

    def refused(self, field: str, reason: str, remedy: str = "Correct the file") -> InputError:
        """The error of a field."""
        return InputError(f"the file {self.path}", f"its {field} {reason}", remedy)


def read_processor_file(folder: Path) -> ProcessorFile | None:
    """The file of the checkpoint in ``folder``; None where it has none.

    Raises:
        InputError: it is no JSON object without double keys, NaN and infinity, or a field of it is of another
            kind than transformers has it.
    """
    nested = _read(folder / PROCESSOR)
    own = _read(folder / PREPROCESSOR)
    if nested is not None and nested.get(NESTED) is not None:
        fields, path = nested[NESTED], folder / PROCESSOR
        if not isinstance(fields, dict):
            raise InputError(
                f"the file {path}", f"its {NESTED} is {_shown(fields)}, not an object", "Correct the file"
            )
        note = None
        if own is not None and own != fields:
            note = f"{PROCESSOR} goes before {PREPROCESSOR}, which says other things of images"
    elif own is not None:
        fields, path, note = own, folder / PREPROCESSOR, None
    else:
        return None
    found = ProcessorFile(path, fields, note)
    for field, value in found.fields.items():
        if value is not None and field in _KINDS and (reason := _KINDS[field](value)):
            raise found.refused(field, f"is {_shown(value)}, not {reason}")
    return found


def _read(path: Path) -> dict[str, Any] | None:
    return read_json(path) if os.path.lexists(path) else None  # a link that leads nowhere is said


def _shown(value: object) -> str:
    text = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else repr(value)
    return text if text and len(text) <= 60 else f"{str(text)[:56]}..."


# Each says what a value should be where it is something else, and nothing where it is right.


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "a name"


def _switch(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _filter(value: Any) -> str | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 5
    return None if fits else "one of Pillow's numbers of filters, 0 to 5"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _is_above_zero(value: Any) -> bool:
    return _is_number(value) and bool(value >= _LEAST)


def _factor(value: Any) -> str | None:
    return None if _is_number(value) and _is_above_zero(abs(value)) else "a number other than 0"


def _share(value: Any) -> str | None:
    return None if _is_above_zero(value) else "a number above 0"


def _numbers(value: Any) -> str | None:
    each = value if isinstance(value, list) else [value]
    return None if each and all(map(_is_number, each)) else "a number, or one for each channel"


def _numbers_above_zero(value: Any) -> str | None:
    each = value if isinstance(value, list) else [value]
    return None if each and all(map(_is_above_zero, each)) else "a number above 0, or one for each channel"


def _is_edge(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_EDGE


def _size(value: Any) -> str | None:
    if isinstance(value, dict):
        edges = [edge for edge in value.values() if edge is not None]
    else:
        edges = value if isinstance(value, list) else [value]
        if isinstance(value, list) and len(value) != 2:
            edges = []
    fits = edges and all(map(_is_edge, edges))
    return (
        None if fits else f"a number of pixels (1 to {LARGEST_EDGE}), height and width, or an object of them"
    )


_KINDS: Mapping[str, Callable[[Any], str | None]] = {
    "image_processor_type": _text,
    "feature_extractor_type": _text,
    "do_resize": _switch,
    "size": _size,
    "default_to_square": _switch,
    "resample": _filter,
    "do_center_crop": _switch,
    "crop_size": _size,
    "crop_pct": _share,
    "do_rescale": _switch,
    "rescale_factor": _factor,
    "do_normalize": _switch,
    "image_mean": _numbers,
    "image_std": _numbers_above_zero,
    "do_convert_rgb": _switch,
    "do_pad": _switch,
    "pad_size": _size,
    "use_square_size": _switch,
}
"""What a field's value must be."""
