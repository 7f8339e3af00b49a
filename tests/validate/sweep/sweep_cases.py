"""A small classifier with weights in files, and a task on it that costs milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from pitome.models.loading import LoadedModel, load_model
from pitome.runtime import Runtime
from pitome.settings import MergeSettings
from pitome.validate.samples import Samples
from pitome.validate.sweep.grid import QUICK, Axis, Grid
from pitome.validate.task import Progress, Score, Split, Task, run_encoder
from tests.tiny_models import tiny_images, tiny_model

GRID = Grid(
    methods=("pitome", "tome", "random"),
    flops=(0.7,),
    shapes=("ratio", "constant"),
    axes=QUICK.with_axes(Axis("metric", (MergeSettings(metric="hidden"),))),
)
"""Two schedules, and few settings for each."""


def tiny_checkpoint(folder: Path, **config: Any) -> LoadedModel:
    """A ViT classifier of 36 patches, saved and loaded again."""
    tiny_model("ViTForImageClassification", **config).save_pretrained(folder)
    return load_model(str(folder))


class SameClass(Task):
    """Metric "agreement": 1 where the highest logit is the unmerged model's, on images of noise."""

    def __init__(self, name: str = "same-class", samples: int = 16, groups: bool = False) -> None:
        self.name = name
        self.images = tiny_images(samples)
        self.groups = np.arange(samples) // 2 if groups else None
        self.prepared = 0
        self.scored = 0

    def count(self, split: Split) -> int:
        return len(self.images)

    def samples(self, split: Split, rows: slice | Sequence[int]) -> Samples:
        return Samples({"pixel_values": self.images[rows]})

    def prepare(self, unmerged: Runtime, progress: Progress | None = None) -> None:
        self.prepared += 1
        self.classes = self._classes(unmerged, "validation", progress)

    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        self.scored += 1
        values = (self._classes(encoder, split, progress) == self.classes).astype(np.float64)
        groups = {} if self.groups is None else {"agreement": self.groups}
        return Score({"agreement": values, "disagreement": 1 - values}, "agreement", groups=groups)

    def _classes(self, encoder: Runtime, split: Split, progress: Progress | None) -> Any:
        def best(inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {"class": outputs["logits"].argmax(-1)}

        return run_encoder(self, encoder, split, best, progress)["class"].numpy()
