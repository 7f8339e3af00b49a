"""Numbers of any type as 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pitome.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOAT_REMARK = "a float image, scaled by its own minimum and maximum"


def to_eight_bits(
    values: NDArray[Any], asked: str, largest: int | None = None
) -> tuple[NDArray[np.uint8], str | None]:
    """Brightness as uint8, rounded to the nearest, and a remark where the type has no range of its own.

    Integers are scaled so that the type's largest number becomes 255; float so that the image's own minimum
    becomes 0 and its own maximum 255.

    Args:
        values: of any shape; bool, integers or float.
        asked: what an error says that was asked for.
        largest: the number that is white, where the file's is not the type's.

    Raises:
        ImageError: negative integers, float with NaN, infinity or one value only, numbers so small for their
            type that all would be black, or a type that is no number.
    """
    if values.dtype == np.uint8 and largest is None:
        return values, None
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255), None
    if np.issubdtype(values.dtype, np.floating):
        return _by_its_own_range(values, asked), FLOAT_REMARK
    if not np.issubdtype(values.dtype, np.integer):
        raise ImageError(
            asked, f"{values.dtype} is no type of brightness", "Give uint8, uint16, another integer, or float"
        )
    return _by_the_range_of_the_type(values, asked, largest or int(np.iinfo(values.dtype).max)), None


def _by_the_range_of_the_type(values: NDArray[Any], asked: str, largest: int) -> NDArray[np.uint8]:
    lowest, highest = int(values.min()), int(values.max())
    if lowest < 0:
        raise ImageError(
            asked, f"it has negative numbers ({lowest}), which are no brightness", "Give it from 0 up"
        )
    if highest > largest:
        raise ImageError(asked, f"it has the number {highest}, above {largest}", "Scale it to its range")
    if highest and (2 * 255 * highest + largest) // (2 * largest) == 0:
        raise ImageError(
            asked,
            f"its numbers reach {highest} of the {largest} of their type, so all of it would be black",
            "Scale it to the range of its type, or save it with 8 bits",
        )
    if largest < 2**32:
        exact = values.astype(np.int64)
        scaled: NDArray[np.uint8] = ((2 * 255 * exact + largest) // (2 * largest)).astype(np.uint8)
        return scaled
    return np.floor(values.astype(np.float64) / largest * 255 + 0.5).astype(np.uint8)


def _by_its_own_range(values: NDArray[Any], asked: str) -> NDArray[np.uint8]:
    wide = values.astype(np.float64) / 2  # halves, because the difference of the largest numbers overflows
    if not np.isfinite(wide).all():
        raise ImageError(asked, "it has NaN or infinity in it", "Replace them by numbers")
    lowest, highest = float(wide.min()), float(wide.max())
    if lowest == highest:
        raise ImageError(
            asked,
            f"all its float numbers are {2 * lowest:g}, so nothing says how bright that is",
            "Give it as uint8",
        )
    return np.floor((wide - lowest) / (highest - lowest) * 255 + 0.5).astype(np.uint8)
