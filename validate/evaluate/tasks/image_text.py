"""Zero-shot classification and image-text retrieval with a CLIP whose vision tower is under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from pitome.runtime import Runtime
from pitome.validate.evaluate.datasets.image_set import ImageSet
from pitome.validate.evaluate.tasks.image_classification import ImageTask, best_class, judge_classes
from pitome.validate.task import (
    Progress,
    Score,
    Split,
    refuse_refit,
    require_output,
    run_encoder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUT = "image_embeds"
IMAGE_TO_CAPTION, CAPTION_TO_IMAGE = "image to caption", "caption to image"
_CHUNK = 256
"""Queries whose similarities are in memory at a time."""


def recall_ranks(
    queries: Tensor, items: Tensor, query_groups: npt.NDArray[np.int64], item_groups: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """For each query the number of wrong items in front of the best right one.

    An item is right where it has the query's group. A wrong item as similar as the best right one counts as
    in front of it, so that vectors that are all equal find nothing.

    Args:
        queries: [q, C] of length 1.
        items: [m, C] of length 1.
        query_groups: [q].
        item_groups: [m].

    Returns:
        [q]; m where no item is right. A query is a hit among the first k where its number is below k.
    """
    groups = torch.from_numpy(item_groups)
    ranks = []
    for start in range(0, len(queries), _CHUNK):
        similarity = queries[start : start + _CHUNK] @ items.T
        wanted = torch.from_numpy(query_groups[start : start + _CHUNK])
        right = wanted[:, None] == groups[None, :]
        best = similarity.masked_fill(~right, -torch.inf).amax(dim=1, keepdim=True)
        # "not below" instead of "at least": a similarity that is NaN is in front of everything, too.
        in_front = (~(similarity < best) & ~right).sum(dim=1)
        lost = ~right.any(dim=1) | best.isnan().squeeze(1)
        ranks.append(torch.where(lost, len(items), in_front))
    return np.asarray(torch.cat(ranks).numpy(), np.int64)


class _ImageTextTask(ImageTask):
    """Runs the vision tower over a split."""

    def _vectors(self, encoder: Runtime, split: Split, progress: Progress | None) -> Tensor:
        found = run_encoder(self, encoder, split, self._reduce, progress)
        return functional.normalize(found["image"], dim=-1)

    def _reduce(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"image": require_output(outputs, OUTPUT, self.name)}


class ZeroShotClassification(_ImageTextTask):
    """An image's class is the one whose captions' mean vector is most similar to the image's."""

    def __init__(self, name: str, splits: Mapping[Split, ImageSet], class_vectors: Tensor) -> None:
        """``class_vectors``: [classes, C] of length 1, in the order of the labels."""
        super().__init__(name, splits)
        self._class_vectors = class_vectors

    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        """Metric "accuracy"; see `Task.score`."""
        refuse_refit(self, refit)
        similarity = self._vectors(encoder, split, progress) @ self._class_vectors.T
        images = self.images(split)
        return judge_classes(best_class(similarity).numpy(), images.labels, images.class_names)


@dataclass(frozen=True)
class Captions:
    """Captions of one split, as vectors."""

    vectors: Tensor
    """[captions, C] of length 1."""
    groups: npt.NDArray[np.int64]
    """[captions] labels of the images that they describe."""


class Retrieval(_ImageTextTask):
    """Recall among the first k, both ways: a hit is an item with the query's label among the first k."""

    def __init__(
        self,
        name: str,
        splits: Mapping[Split, ImageSet],
        captions: Mapping[Split, Captions],
        first: Sequence[int] = (1, 5),
    ) -> None:
        """``captions``: those of each split, looked up when it is scored; ``first``: the values of k."""
        super().__init__(name, splits)
        self._captions, self._first = captions, tuple(first)

    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        """Metrics "image to caption recall@k" and "caption to image recall@k"; see `Task.score`.

        The details have all of them in percent, and their sum as "rsum".
        """
        refuse_refit(self, refit)
        vectors = self._vectors(encoder, split, progress)
        captions, labels = self._captions[split], self.images(split).labels
        metrics: dict[str, npt.NDArray[np.float64]] = {}
        for way, ranks in self._ranks(vectors, labels, captions):
            metrics |= {f"{way} recall@{k}": (ranks < k).astype(np.float64) for k in self._first}
        percent = {metric: 100 * float(hits.mean()) for metric, hits in metrics.items()}
        details: dict[str, Any] = {
            "images": len(labels),
            "captions": len(captions.groups),
            "percent": percent,
            "rsum": sum(percent.values()),
        }
        # Captions of one image or class succeed and fail together.
        groups = {metric: captions.groups for metric in metrics if metric.startswith(CAPTION_TO_IMAGE)}
        return Score(metrics, f"{IMAGE_TO_CAPTION} recall@{self._first[0]}", details, groups)

    @staticmethod
    def _ranks(
        vectors: Tensor, labels: npt.NDArray[np.int64], captions: Captions
    ) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
        yield IMAGE_TO_CAPTION, recall_ranks(vectors, captions.vectors, labels, captions.groups)
        yield CAPTION_TO_IMAGE, recall_ranks(captions.vectors, vectors, captions.groups, labels)
