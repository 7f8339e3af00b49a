"""``pitome.preprocess``: images as a bundle's model takes them. Needs Pillow and numpy, and nothing else."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from pitome.arguments import as_path
from pitome.bundle import ImagePreprocess, Manifest, read_manifest
from pitome.errors import InputError
from pitome.images.decoding import decode, named
from pitome.images.transform import stack, transform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pitome.images.decoding import ImageSource


def preprocess(
    bundle: str | os.PathLike[str] | Manifest, image: ImageSource | Sequence[ImageSource]
) -> NDArray[np.float32]:
    """An image as the model of a bundle takes it, float32 [C, H, W]; several as [n, C, H, W].

        pixels = pitome.preprocess("build/clip-b16", "cat.jpg")

    It does what the checkpoint's own processor does (docs/preprocessing.md). Read a bundle once with
    ``pitome.bundle.read_manifest`` where many images are prepared one by one.

    Args:
        bundle: its folder, whose manifest is checked against its digest; or the manifest.
        image: a file's path or its bytes, an array [H, W] or [H, W, 1 to 4], a PIL image; or a list or tuple
            of them.

    Raises:
        BundleError: no bundle, or a damaged one.
        InputError: the bundle's model takes texts, or an image that can't be read or does not fit
            (`ImageError`).
    """
    manifest = bundle if isinstance(bundle, Manifest) else read_manifest(as_path(bundle, "the bundle"))
    wanted = manifest.model.preprocess
    if not isinstance(wanted, ImagePreprocess):
        raise InputError(
            f"images for {manifest.model.name}",
            f"its model takes texts of {wanted.sequence_length} tokens",
            "Give it texts, encoded by the tokenizer of its checkpoint",
        )
    if isinstance(image, list | tuple):
        return stack(
            [prepared_image(each, wanted, f", number {place}") for place, each in enumerate(image, 1)]
        )
    return prepared_image(cast("ImageSource", image), wanted)


def prepared_image(source: ImageSource, wanted: ImagePreprocess, place: str = "") -> NDArray[np.float32]:
    """One image as a model takes it, float32 [C, H, W]; what was assumed to decode it is warned of.

    Args:
        source: as of `preprocess`.
        wanted: of the model.
        place: of the image among others, as an error says it.

    Raises:
        ImageError: it can't be read or does not fit.
    """
    asked = named(source) + place
    decoded = decode(source, wanted.channels, asked)
    if decoded.remark is not None:
        warnings.warn(f"{asked}: {decoded.remark}", stacklevel=3)
    return transform(decoded.image, wanted, asked)
