"""One input or several: what a method of a bundle was given, as a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from pitome.errors import InputError

if TYPE_CHECKING:
    from pitome.images.decoding import ImageSource
    from pitome.models.tokenizer import Text

_Item = TypeVar("_Item")


def as_images(given: ImageSource | Iterable[ImageSource]) -> list[ImageSource]:
    """A path, bytes, an array [H, W] or [H, W, C] and a PIL image are one; an array [n, H, W, C] is several.

    Raises:
        InputError: there are none, or it is nothing that can hold any.
    """
    from os import PathLike

    from PIL.Image import Image

    if isinstance(given, str | PathLike | bytes | bytearray | memoryview | Image):
        return [cast("ImageSource", given)]
    if isinstance(given, np.ndarray):
        return _listed(given, "images") if given.ndim == 4 else [given]
    return _listed(given, "images")


def as_texts(given: Text | Iterable[Text]) -> list[Text]:
    """A text is one. A tuple is several, as a list is; a pair is a tuple of two inside of one.

    Raises:
        InputError: there are none, or it is nothing that can hold any.
    """
    if isinstance(given, str):
        return [given]
    return _listed(given, "texts")


def _listed(given: Iterable[_Item], what: str) -> list[_Item]:
    # Bytes are numbers to a loop, and an array without axes is no list.
    no_list = isinstance(given, dict | set | frozenset | bytes | bytearray | memoryview)
    if no_list or not isinstance(given, Iterable) or (isinstance(given, np.ndarray) and not given.ndim):
        kind = "None" if given is None else f"of the type {type(given).__name__}"
        raise InputError(what, f"what was given is {kind}", f"Give a list of {what}")
    found = list(given)
    if not found:
        raise InputError(what, "there are none", "Give at least one")
    return found
