"""Eight views of each of scikit-image's photos, divided by photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from pitome.validate.photos import PHOTOS, real_photos
from pitome.validate.samples import Samples, Skipped

if TYPE_CHECKING:
    from pitome.bundle import ImagePreprocess

VALIDATION_PHOTOS = ("astronaut", "brick", "cell", "clock_motion", "coins", "gravel", "moon", "text")
"""Settings are chosen on views of these; the other twelve files are for the test."""
SAME_SCENE = {"motorcycle_right": "motorcycle_left"}
"""A stereo pair counts as one photo."""
_SPLITS: tuple[Literal["validation", "test"], ...] = ("validation", "test")


class PhotoViews:
    """Views of photos as a model's inputs, and which photo each one shows (`real_photos`)."""

    def __init__(
        self, preprocess: ImagePreprocess, limit: int | None = None, undivided: bool = False
    ) -> None:
        """Make the views.

        Args:
            preprocess: of the model.
            limit: at most so many views of each split, whole photos first.
            undivided: all 160 views in both splits, for comparisons that choose nothing.

        Raises:
            InputError: scikit-image has not its photos.
        """
        names, pixels = real_photos(preprocess, augmented=True)
        files = [name.partition(",")[0] for name in names]
        numbers = {name.partition(".")[0]: number for number, name in enumerate(PHOTOS)}
        self._samples: dict[str, Samples] = {}
        self.photos: dict[Literal["validation", "test"], npt.NDArray[np.int64]] = {}
        """Split -> [n] number of the photo that each view shows."""
        for split in _SPLITS:
            wanted = [
                row
                for row, file in enumerate(files)
                if undivided or (file in VALIDATION_PHOTOS) == (split == "validation")
            ][:limit]
            self._samples[split] = Samples({"pixel_values": pixels[wanted]})
            shown = [numbers[SAME_SCENE.get(files[row], files[row])] for row in wanted]
            self.photos[split] = np.array(shown, np.int64)

    def count(self, split: Literal["validation", "test"]) -> int:
        """Views of a split."""
        return len(self._samples[split])

    def samples(
        self, split: Literal["validation", "test"], rows: slice | Sequence[int] = slice(None)
    ) -> Samples:
        """Views as pixel_values."""
        return self._samples[split].rows(rows)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """None ever is."""
        return ()
