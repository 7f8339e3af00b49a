"""How close a model's outputs stay to the unmerged model's: no labels, no head, little noise.

Accuracy counts the few samples that change sides; this sees every sample move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError
from pitome.runtime import Runtime
from pitome.validate.evaluate.tasks.text_classification import MASK, OUTPUT, sentence_vectors
from pitome.validate.outputs import cosines, task_vectors
from pitome.validate.samples import Samples, Skipped
from pitome.validate.task import Progress, Score, Split, Task, refuse_refit, run_encoder

if TYPE_CHECKING:
    from torch import Tensor

MAIN = "cosine"


class SampleSource(Protocol):
    """Where the samples come from: another task, or a data set."""

    def count(self, split: Split) -> int:
        """Samples of a split."""
        ...

    def samples(self, split: Split, rows: slice | Sequence[int]) -> Samples:
        """Some samples of a split."""
        ...

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What could not be used, and why."""
        ...


class Fidelity(Task):
    """Cosine of a model's vectors to the unmerged model's.

    "cosine", the main metric, is the mean over the vectors of a sample; where there are several (class token
    and mean token), each is a metric of its own too.
    """

    def __init__(
        self,
        name: str,
        source: SampleSource,
        photos: Mapping[Split, npt.NDArray[np.int64]] | None = None,
    ) -> None:
        """Compare on the samples of ``source``.

        Args:
            name: of this task.
            source: the samples of each split; texts have an attention mask.
            photos: split -> [n] number of the photo that each sample is a view of; None = the samples are
                independent of each other.
        """
        self.name = name
        self._source, self._photos = source, photos
        self._unmerged: Runtime | None = None
        self._references: dict[Split, dict[str, Tensor]] = {}

    def count(self, split: Split) -> int:
        """Samples of a split."""
        return self._source.count(split)

    def samples(self, split: Split, rows: slice | Sequence[int] = slice(None)) -> Samples:
        """Those of the source."""
        return self._source.samples(split, rows)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What the source could not use."""
        return self._source.skipped

    def prepare(self, unmerged: Runtime, progress: Progress | None = None) -> None:
        """Remember the unmerged model; it runs over a split when that is first scored."""
        self._unmerged, self._references = unmerged, {}

    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        """Cosines, one per sample; see `Task.score`.

        Raises:
            InputError: ``prepare`` was not called.
        """
        refuse_refit(self, refit)
        reference = self._reference(split, progress)
        found = run_encoder(self, encoder, split, named_vectors, progress)
        metrics = {f"{MAIN}, {name}": closeness(value, reference[name]) for name, value in found.items()}
        mean = np.stack(list(metrics.values())).mean(axis=0)
        metrics = {MAIN: mean} if len(metrics) == 1 else {**metrics, MAIN: mean}
        details: dict[str, Any] = {"minimum": {name: float(values.min()) for name, values in metrics.items()}}
        details |= self._length_details(split, mean)
        if self._photos is None:
            return Score(metrics, MAIN, details)
        photos = self._photos[split]
        details |= {"views": len(photos), "photos": len(np.unique(photos))}
        return Score(metrics, MAIN, details, dict.fromkeys(metrics, photos))

    def _reference(self, split: Split, progress: Progress | None) -> dict[str, Tensor]:
        """Name -> [n, C]: what the unmerged model answers."""
        if self._unmerged is None:
            raise InputError(
                f"a score on {self.name}",
                "the unmerged model is not there",
                "Call prepare with the unmerged model",
            )
        if split not in self._references:
            self._references[split] = run_encoder(self, self._unmerged, split, named_vectors, progress)
        return self._references[split]

    def _length_details(self, split: Split, values: npt.NDArray[np.float64]) -> dict[str, Any]:
        """Texts that fill the whole length, by themselves."""
        if not self.count(split) or MASK not in self.samples(split, slice(0, 1)).inputs:
            return {}
        mask = self.samples(split).inputs[MASK]
        full = (mask.sum(dim=1) == mask.shape[1]).numpy()
        found: dict[str, Any] = {"samples": int(full.sum())}
        return {"full_length": found | ({MAIN: float(values[full].mean())} if full.any() else {})}


def closeness(first: Tensor, second: Tensor) -> npt.NDArray[np.float64]:
    """[n] cosine of rows [n, C]; NaN where one is not finite."""
    return np.asarray(cosines(first, second).numpy(), np.float64)


def named_vectors(inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Named [B, C]: the sentence vector of texts; of images each output's own."""
    if MASK in inputs:
        return {"sentence": sentence_vectors(outputs[OUTPUT], inputs[MASK])}
    return {
        name: vector
        for output, value in outputs.items()
        for name, vector in task_vectors(output, value).items()
    }
