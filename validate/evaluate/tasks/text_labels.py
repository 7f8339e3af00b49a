"""Text classification by a model's own logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pitome.models.tokenizer import Text
from pitome.runtime import Runtime
from pitome.validate.evaluate.datasets.orange_tab import LabelledTexts
from pitome.validate.evaluate.tasks.image_classification import best_class, judge_classes
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


class TextLabels(Task):
    """Texts with classes, whose labels are the model's class numbers."""

    def __init__(
        self,
        name: str,
        splits: Mapping[Split, LabelledTexts],
        encode: Callable[[Sequence[Text]], dict[str, Tensor]],
    ) -> None:
        """Take the documents of each split; ``encode`` makes the model's inputs of texts.

        A split is looked up in ``splits`` when it is used, so that one that is not used need not be read.
        """
        self.name, self._splits, self._encode = name, splits, encode
        self._used: set[Split] = set()

    def count(self, split: Split) -> int:
        """Documents of a split."""
        self._used.add(split)
        return len(self._splits[split])

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Documents without a text, in the splits that were used."""
        return joined([part for split in sorted(self._used) for part in self._splits[split].skipped])

    def samples(self, split: Split, rows: slice | Sequence[int] = slice(None)) -> Samples:
        """Tokenised documents."""
        self._used.add(split)
        texts = self._splits[split].texts
        return Samples(self._encode(texts[rows] if isinstance(rows, slice) else [texts[row] for row in rows]))

    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        """Metric "accuracy"; see `Task.score`."""
        refuse_refit(self, refit)
        found = run_encoder(self, encoder, split, self._reduce, progress)
        texts = self._splits[split]
        return judge_classes(found["class"].numpy(), texts.labels, texts.class_names)

    def _reduce(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"class": best_class(require_output(outputs, "logits", self.name))}
