"""How close a model's sentence vectors stay to the unmerged model's, on the documents of a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pitome.runtime import Runtime
from pitome.validate.evaluate.tasks.task import Progress, Score, Split, Task, refuse_refit, run_encoder
from pitome.validate.evaluate.tasks.text_classification import TextClassification, sentence_vectors
from pitome.validate.evaluate.tasks.unmerged_outputs import UnmergedOutputs
from pitome.validate.outputs import cosines
from pitome.validate.samples import Samples

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = "-fidelity"
MAIN = "cosine"


class TextFidelity(Task):
    """Cosine of a model's sentence vectors to the unmerged model's: no labels, no head, little noise.

    Accuracy of a corpus counts the few documents that change sides; this sees every document move.
    """

    def __init__(self, corpus: TextClassification) -> None:
        """Take the documents of another task, named ``<its name>-fidelity``."""
        self.name = f"{corpus.name}{SUFFIX}"
        self._corpus = corpus
        self._unmerged = UnmergedOutputs(self, _vectors)

    def count(self, split: Split) -> int:
        """Documents of a split."""
        return self._corpus.count(split)

    def samples(self, split: Split, rows: slice | Sequence[int] = slice(None)) -> Samples:
        """Tokenised documents."""
        return self._corpus.samples(split, rows)

    def prepare(self, unmerged: Runtime, progress: Progress | None = None) -> None:
        """Remember the unmerged model; it runs over a split when that is first scored."""
        self._unmerged.prepare(unmerged)

    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        """Cosines, one per document; see `Task.score`.

        Raises:
            InputError: ``prepare`` was not called.
        """
        refuse_refit(self, refit)
        unmerged = self._unmerged.of(split, progress)[MAIN]
        found = run_encoder(self, encoder, split, _vectors, progress)[MAIN]
        values = cosines(found, unmerged).numpy()
        mask = self.samples(split).inputs["attention_mask"]
        full = (mask.sum(dim=1) == mask.shape[1]).numpy()
        details = {
            "minimum": float(values.min()),
            "full_length": {"samples": int(full.sum()), "cosine": float(values[full].mean())}
            if full.any()
            else {"samples": 0},
        }
        return Score({MAIN: np.asarray(values, np.float64)}, MAIN, details)


def _vectors(inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {MAIN: sentence_vectors(outputs["last_hidden_state"], inputs["attention_mask"])}
