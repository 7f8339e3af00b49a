"""How close a model's features stay to the unmerged model's, on real photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pitome.runtime import Runtime
from pitome.validate.evaluate.datasets.photos import PHOTOS, real_photos
from pitome.validate.evaluate.tasks.task import Progress, Score, Split, Task, refuse_refit, run_encoder
from pitome.validate.evaluate.tasks.unmerged_outputs import UnmergedOutputs
from pitome.validate.outputs import cosines, task_vectors
from pitome.validate.samples import Samples

if TYPE_CHECKING:
    from torch import Tensor

VALIDATION_PHOTOS = ("astronaut", "brick", "cell", "clock_motion", "coins", "gravel", "moon", "text")
"""Settings are chosen on views of these; the other twelve files are for the test."""
SAME_SCENE = {"motorcycle_right": "motorcycle_left"}
"""A stereo pair counts as one photo."""
MAIN = "cosine"


class PhotoFidelity(Task):
    """Cosine of a model's vectors to the unmerged model's on views of scikit-image's photos.

    Of each photo there are eight views (`datasets.photos.real_photos`); the views of a photo are a
    group, so that intervals and tests count photos, not views. Each named vector of the outputs (class token
    and mean token of token outputs) is a metric, and "cosine", the main one, is their mean.
    """

    def __init__(self, preprocess: Mapping[str, Any], limit: int | None = None) -> None:
        """Make the views.

        Args:
            preprocess: `pitome.models.presets.Preprocess`.
            limit: at most so many views of each split, whole photos first.

        Raises:
            InputError: scikit-image has not its photos.
        """
        self.name = "photos"
        names, pixels = real_photos(preprocess, augmented=True)
        photos = [name.partition(",")[0] for name in names]
        scenes = [SAME_SCENE.get(photo, photo) for photo in photos]
        numbers = {name.partition(".")[0]: number for number, name in enumerate(PHOTOS)}
        self._samples: dict[str, Samples] = {}
        self._groups: dict[str, npt.NDArray[np.int64]] = {}
        for split in ("validation", "test"):
            wanted = [
                row
                for row, photo in enumerate(photos)
                if (photo in VALIDATION_PHOTOS) == (split == "validation")
            ][:limit]
            self._samples[split] = Samples({"pixel_values": pixels[wanted]})
            self._groups[split] = np.array([numbers[scenes[row]] for row in wanted], np.int64)
        self._unmerged = UnmergedOutputs(self, _vectors)

    def count(self, split: Split) -> int:
        """Views of a split."""
        return len(self._samples[split])

    def samples(self, split: Split, rows: slice | Sequence[int] = slice(None)) -> Samples:
        """Views as pixel_values."""
        return self._samples[split].rows(rows)

    def prepare(self, unmerged: Runtime, progress: Progress | None = None) -> None:
        """Remember the unmerged model; it runs over a split when that is first scored."""
        self._unmerged.prepare(unmerged)

    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        """Cosines, one per view; see `Task.score`.

        Raises:
            InputError: ``prepare`` was not called.
        """
        refuse_refit(self, refit)
        unmerged = self._unmerged.of(split, progress)
        found = run_encoder(self, encoder, split, _vectors, progress)
        metrics = {f"cosine, {name}": cosines(value, unmerged[name]).numpy() for name, value in found.items()}
        metrics[MAIN] = np.mean(list(metrics.values()), axis=0)
        groups = self._groups[split]
        details = {
            "views": len(groups),
            "photos": len(np.unique(groups)),
            "minimum": {name: float(values.min()) for name, values in metrics.items()},
        }
        return Score(metrics, MAIN, details, dict.fromkeys(metrics, groups))


def _vectors(inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: vector
        for output, value in outputs.items()
        for name, vector in task_vectors(output, value).items()
    }
