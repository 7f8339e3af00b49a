"""Which images of a data set a model can be given, found before anything is measured; reading them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from pitome.errors import ImageError
from pitome.images.decoding import decode
from pitome.images.depth import FLOAT_REMARK
from pitome.images.transform import check_size
from pitome.validate.photos import to_tensor
from pitome.validate.samples import EXAMPLES, Skipped

if TYPE_CHECKING:
    from torch import Tensor

    from pitome.bundle import ImagePreprocess
    from pitome.images.decoding import ImageSource

MISSING, UNUSABLE = "the file is missing", "the image can't be used"


def usable_images(
    images: Iterable[tuple[str, ImageSource | None]], preprocess: ImagePreprocess
) -> tuple[list[int], tuple[Skipped, ...]]:
    """Places of the images that a model can be given, and what is left out, with the first reasons.

    Each one is decoded whole, because a file that is cut off shows it at its end only: better here than after
    minutes of work. It is not resized, and nothing of it is kept.

    Args:
        images: name and source of each; a source of None is missing.
        preprocess: of the model.
    """
    kept: list[int] = []
    missing: list[str] = []
    damaged: list[str] = []
    of_floats = 0
    for place, (name, source) in enumerate(images):
        if source is None:
            missing.append(name)
            continue
        try:
            found = decode(source, preprocess.channels)
            check_size(found.image.size, preprocess, name)
        except ImageError as error:
            damaged.append(f"{name}: {error.found}")
            continue
        kept.append(place)
        of_floats += found.remark is not None
    if of_floats:
        warnings.warn(f"{of_floats} of the images are each {FLOAT_REMARK}", stacklevel=2)
    groups = ((missing, MISSING), (damaged, UNUSABLE))
    return kept, tuple(
        Skipped(len(names), reason, tuple(names[:EXAMPLES])) for names, reason in groups if names
    )


def loader(
    source_of: Callable[[int], ImageSource], preprocess: ImagePreprocess
) -> Callable[[Sequence[int]], Tensor]:
    """Rows -> float32 [rows, C, H, W], decoded at each call; ``source_of``: the image of a row."""

    def load(rows: Sequence[int]) -> Tensor:
        import torch

        return torch.stack([to_tensor(source_of(row), preprocess) for row in rows])

    return load
