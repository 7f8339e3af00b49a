"""Image classification by a model's own logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pitome.runtime import Runtime
from pitome.validate.evaluate.datasets.image_set import ImageSet
from pitome.validate.samples import Samples, Skipped, joined
from pitome.validate.task import (
    Progress,
    Score,
    Split,
    Task,
    refuse_refit,
    require_output,
    run_encoder,
)

if TYPE_CHECKING:
    from torch import Tensor


class ImageTask(Task):
    """A task on labelled images, which are read batch by batch."""

    def __init__(self, name: str, splits: Mapping[Split, ImageSet]) -> None:
        """``splits``: the images of each split, looked up when a split is used."""
        self.name, self._splits = name, splits
        self._used: set[Split] = set()

    def images(self, split: Split) -> ImageSet:
        """The images of a split."""
        self._used.add(split)
        return self._splits[split]

    def count(self, split: Split) -> int:
        """Images of a split."""
        return len(self.images(split))

    def samples(self, split: Split, rows: slice | Sequence[int] = slice(None)) -> Samples:
        """Images as pixel_values, read at each call."""
        images = self.images(split)
        chosen = range(len(images))[rows] if isinstance(rows, slice) else rows
        return Samples({"pixel_values": images.load(list(chosen))})

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Images that could not be used, in the splits that were."""
        return joined([part for split in sorted(self._used) for part in self._splits[split].skipped])


class ImageClassification(ImageTask):
    """Accuracy of the class with the highest logit; labels are the model's class numbers."""

    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        """Metric "accuracy"; see `Task.score`."""
        refuse_refit(self, refit)
        found = run_encoder(self, encoder, split, self._reduce, progress)
        images = self.images(split)
        return judge_classes(found["class"].numpy(), images.labels, images.class_names)

    def _reduce(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"class": best_class(require_output(outputs, "logits", self.name))}


def best_class(logits: Tensor) -> Tensor:
    """[n, classes] -> [n] the class with the highest logit; -1, which is never right, where one is NaN."""
    return logits.argmax(dim=-1).masked_fill(logits.isnan().any(dim=-1), -1)


def judge_classes(
    predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], class_names: Sequence[str]
) -> Score:
    """Accuracy of predicted classes [n], with the accuracy of each class in the details."""
    right = predicted == labels
    return Score(
        {"accuracy": right.astype(np.float64)},
        "accuracy",
        {"samples": len(labels), "per_class": _per_class(right, labels, class_names)},
    )


def _per_class(
    right: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64], class_names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    return {
        class_names[number] if number < len(class_names) else str(number): {
            "count": int((labels == number).sum()),
            "accuracy": float(right[labels == number].mean()),
        }
        for number in np.unique(labels).tolist()
    }
