"""How close a model's outputs stay to the unmerged model's, on the images of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pitome.runtime import Runtime
from pitome.validate.evaluate.datasets.image_set import ImageSet
from pitome.validate.evaluate.tasks.image_classification import ImageTask
from pitome.validate.evaluate.tasks.task import Progress, Score, Split, refuse_refit, run_encoder
from pitome.validate.evaluate.tasks.unmerged_outputs import UnmergedOutputs
from pitome.validate.outputs import cosines, task_vectors

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = "-fidelity"
MAIN = "cosine"


class ImageFidelity(ImageTask):
    """Cosine of a model's logits or embeddings to the unmerged model's: no labels, little noise.

    Accuracy counts the few images that change sides; this sees every image move.
    """

    def __init__(self, name: str, splits: Mapping[Split, ImageSet]) -> None:
        """The images of another task, named ``<its name>-fidelity``."""
        super().__init__(f"{name}{SUFFIX}", splits)
        self._unmerged = UnmergedOutputs(self, _vectors)

    def prepare(self, unmerged: Runtime, progress: Progress | None = None) -> None:
        """Remember the unmerged model; it runs over a split when that is first scored."""
        self._unmerged.prepare(unmerged)

    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        """Cosines, one per image, the mean of those of all outputs; see `Task.score`.

        Raises:
            InputError: ``prepare`` was not called.
        """
        refuse_refit(self, refit)
        unmerged = self._unmerged.of(split, progress)
        found = run_encoder(self, encoder, split, _vectors, progress)
        values = np.mean([cosines(value, unmerged[name]).numpy() for name, value in found.items()], axis=0)
        return Score({MAIN: np.asarray(values, np.float64)}, MAIN, {"minimum": float(values.min())})


def _vectors(inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: vector
        for output, value in outputs.items()
        for name, vector in task_vectors(output, value).items()
    }
