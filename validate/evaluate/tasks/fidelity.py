"""How close a model's outputs stay to the unmerged model's: no labels, no head, little noise.

Accuracy counts the few samples that change sides; this sees every sample move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError
from pitome.models.answers import AnswerKind
from pitome.runtime import Runtime
from pitome.validate.evaluate.tasks.text_classification import MASK, OUTPUT, sentence_vectors
from pitome.validate.measures import has_direction, measure_numbers, same_labels
from pitome.validate.outputs import LOGITS, SENTENCE_EMBEDDING, cosines, task_vectors
from pitome.validate.samples import Samples, Skipped
from pitome.validate.task import Progress, Score, Split, Task, refuse_refit, run_encoder

if TYPE_CHECKING:
    from torch import Tensor

MAIN = "cosine"
CLOSENESS, LABELS, TOKENS = "closeness", "label agreement", "token agreement"
"""Metrics of answers that are numbers, of several labels, and of a class for each token."""


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

    The cosine of a single number says nothing, so answers that are numbers have "closeness" in its place: 1
    less |ours - unmerged|, relative to the root mean square of the unmerged model's numbers. Their
    correlation is in the details. Several labels that may all hold have "label agreement" beside the cosine,
    classes of each token "token agreement".
    """

    def __init__(
        self,
        name: str,
        source: SampleSource,
        photos: Mapping[Split, npt.NDArray[np.int64]] | None = None,
        answers: AnswerKind = "classes",
    ) -> None:
        """Compare on the samples of ``source``.

        Args:
            name: of this task.
            source: the samples of each split; texts have an attention mask.
            photos: split -> [n] number of the photo that each sample is a view of; None = the samples are
                independent of each other.
            answers: what the model's logits are, where it has any.
        """
        self.name, self._answers = name, answers
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
        metrics, main, more = compare_vectors(found, reference, self._answers)
        details: dict[str, Any] = {"minimum": {name: float(values.min()) for name, values in metrics.items()}}
        details |= more
        details |= self._length_details(split, main, metrics[main])
        if self._photos is None:
            return Score(metrics, main, details)
        photos = self._photos[split]
        details |= {"views": len(photos), "photos": len(np.unique(photos))}
        return Score(metrics, main, details, dict.fromkeys(metrics, photos))

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

    def _length_details(self, split: Split, metric: str, values: npt.NDArray[np.float64]) -> dict[str, Any]:
        """Texts that fill the whole length, by themselves."""
        if not self.count(split) or MASK not in self.samples(split, slice(0, 1)).inputs:
            return {}
        mask = self.samples(split).inputs[MASK]
        full = (mask.sum(dim=1) == mask.shape[1]).numpy()
        found: dict[str, Any] = {"samples": int(full.sum())}
        return {"full_length": found | ({metric: float(values[full].mean())} if full.any() else {})}


def compare_vectors(
    found: Mapping[str, Tensor], reference: Mapping[str, Tensor], answers: AnswerKind
) -> tuple[dict[str, npt.NDArray[np.float64]], str, dict[str, Any]]:
    """Metrics, one value per sample; the one that decides; and what there is beside them."""
    metrics: dict[str, npt.NDArray[np.float64]] = {}
    details: dict[str, Any] = {}
    for name, value in found.items():
        wanted = reference[name]
        numbers = name == LOGITS and answers == "numbers"
        if name == _BEST_OF_TOKENS:
            metrics[TOKENS] = _same_tokens(value, wanted)
        elif has_direction(wanted) and not numbers:
            metrics[f"{MAIN}, {name}"] = closeness(value, wanted)
        else:
            metrics[f"{CLOSENESS}, {name}"] = _nearness(value, wanted)
            details |= {each.measure: each.__dict__ for each in measure_numbers(value, wanted)}
        if name == LOGITS and answers == "labels":
            metrics[LABELS] = _array(same_labels(value, wanted).double().mean(dim=1))
    main = MAIN if any(name.startswith(MAIN) for name in metrics) else CLOSENESS
    parts = [name for name in metrics if name.startswith(f"{main}, ")]
    mean = np.stack([metrics[name] for name in parts]).mean(axis=0)
    if len(parts) == 1:
        metrics = {name: values for name, values in metrics.items() if name not in parts}
        return {main: mean, **metrics}, main, details
    return {**metrics, main: mean}, main, details


def closeness(first: Tensor, second: Tensor) -> npt.NDArray[np.float64]:
    """[n] cosine of rows [n, C]; NaN where one is not finite."""
    return _array(cosines(first, second))


def _nearness(found: Tensor, wanted: Tensor) -> npt.NDArray[np.float64]:
    """[n]: 1 less the distance of rows [n, C], relative to the root mean square length of the wanted ones."""
    distance = (found.double() - wanted.double()).norm(dim=1)
    scale = float(wanted.double().norm(dim=1).square().mean().sqrt())
    return _array(1 - distance / (scale or 1.0))


def _same_tokens(best: Tensor, wanted: Tensor) -> npt.NDArray[np.float64]:
    """[n] share of the tokens with the same best class; -1 stands at padding."""
    real = (wanted >= 0).double()
    return _array(((best == wanted).double() * real).sum(dim=1) / real.sum(dim=1).clamp(min=1))


def _array(values: Tensor) -> npt.NDArray[np.float64]:
    return np.asarray(values.numpy(), np.float64)


_BEST_OF_TOKENS = "best class of each token"


def named_vectors(inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Named [B, C]: of texts the embedding, logits or sentence vector; of images each output's own."""
    if MASK not in inputs:
        return {
            name: vector
            for output, value in outputs.items()
            for name, vector in task_vectors(output, value).items()
        }
    if SENTENCE_EMBEDDING in outputs:
        return {SENTENCE_EMBEDDING: outputs[SENTENCE_EMBEDDING]}
    if LOGITS not in outputs:
        return {"sentence": sentence_vectors(outputs[OUTPUT], inputs[MASK])}
    logits = outputs[LOGITS]
    if logits.dim() == 2:
        return {LOGITS: logits}
    padding = inputs[MASK] == 0
    best = logits.argmax(dim=-1).masked_fill(padding, -1)
    return {LOGITS: logits.masked_fill(padding.unsqueeze(-1), 0).flatten(1), _BEST_OF_TOKENS: best}
