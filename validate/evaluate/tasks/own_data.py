"""What merging changes on data of the user's without labels, held against the unmerged model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pitome.bundle.own_data_records import OwnDataRecord
from pitome.errors import InputError
from pitome.models.answers import AnswerKind
from pitome.runtime import Runtime
from pitome.validate.evaluate.records import OwnFindings, WorstCase
from pitome.validate.evaluate.tasks.fidelity import MAIN, closeness, compare_vectors, named_vectors
from pitome.validate.evaluate.tasks.image_classification import best_class
from pitome.validate.evaluate.tasks.neighbours import WANTED, judge_index, neighbour_recall, percentiles
from pitome.validate.outputs import LOGITS
from pitome.validate.own_data import TEXTS, OwnSamples, Reference
from pitome.validate.samples import Samples, Skipped
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

Values = npt.NDArray[np.float64]
AGREEMENT = "agreement"
"""Main metric of classifiers."""
WORST = 10
"""Cases that are shown."""
_INDEXED = ("sentence_embedding", "sentence", "image_embeds", "pooler_output")
"""What users search by, where a model gives it; else the class token of its first output."""


class OwnDataTask(Task):
    """A task on data without labels; both splits are all of it."""

    def __init__(self, name: str, data: OwnSamples, in_place_of: str | None = None, seed: int = 0) -> None:
        """Judge on some samples.

        Args:
            name: of the task.
            data: the samples.
            in_place_of: why this is not the task that the user asked for, where it is another.
            seed: of bootstraps and of the choice of queries.
        """
        self.name, self.data = name, data
        self._in_place_of, self._seed = in_place_of, seed
        self._unmerged: Runtime | None = None
        self._reference: dict[str, Tensor] = {}

    def count(self, split: Split) -> int:
        """All samples."""
        return len(self.data)

    def samples(self, split: Split, rows: slice | Sequence[int] = slice(None)) -> Samples:
        """Some of them."""
        return self.data.load(range(len(self.data))[rows] if isinstance(rows, slice) else list(rows))

    @property
    def of_texts(self) -> bool:
        """Else of images."""
        reference = Reference.parse(self.data.record.data)
        return reference is not None and reference.kind == TEXTS

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What could not be used."""
        return tuple(Skipped(part.count, part.reason) for part in self.data.record.skipped)

    @property
    def own_data(self) -> OwnDataRecord | None:
        """What is used."""
        return self.data.record

    @property
    def in_place_of(self) -> str | None:
        """Why this is not the task that was asked for."""
        return self._in_place_of

    def prepare(self, unmerged: Runtime, progress: Progress | None = None) -> None:
        """Remember the unmerged model; it runs when a model is first scored."""
        self._unmerged, self._reference = unmerged, {}

    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        """See `Task.score`.

        Raises:
            InputError: ``prepare`` was not called, or ``refit`` is asked.
        """
        refuse_refit(self, refit)
        if self._unmerged is None:
            raise InputError(
                f"a score on {self.name}",
                "the unmerged model is not there",
                "Call prepare with the unmerged model",
            )
        if not self._reference:
            self._reference = run_encoder(self, self._unmerged, split, self._reduce, progress)
        return self._compare(self._reference, run_encoder(self, encoder, split, self._reduce, progress))

    @abstractmethod
    def _reduce(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What is kept of a batch."""

    @abstractmethod
    def _compare(self, unmerged: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> Score:
        """A model's answers against the unmerged model's."""

    def _worst(self, values: Values) -> list[tuple[int, WorstCase]]:
        """The samples with the lowest values, the lowest first; equal ones in their own order."""
        return [
            (
                row,
                WorstCase(
                    name=self.data.names[row],
                    row=row,
                    closeness=float(values[row]),
                    text=self.data.shown(row) if self.of_texts else None,
                ),
            )
            for row in np.argsort(values, kind="stable")[:WORST].tolist()
        ]


class OwnEmbeddings(OwnDataTask):
    """Cosine to the unmerged model's vector, and whether the same neighbours are found by it."""

    wanted: float = WANTED
    """Recall@10 from which on an index of unmerged embeddings is kept."""

    def _reduce(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return named_vectors(inputs, outputs)

    def _compare(self, unmerged: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> Score:
        indexed = indexed_vector(list(unmerged))
        finite = np.ones(len(self.data), np.bool_)
        metrics: dict[str, Values] = {}
        for name in (indexed, *(other for other in unmerged if other != indexed)):
            values = closeness(found[name], unmerged[name])
            finite &= np.isfinite(values)
            metrics[MAIN if name == indexed else f"{MAIN}, {name}"] = np.where(
                np.isfinite(values), values, -1
            )
        recall = neighbour_recall(unmerged[indexed], found[indexed], self._seed)
        own = OwnFindings(
            vector=indexed,
            percentiles=percentiles(metrics[MAIN]),
            not_finite=int((~finite).sum()),
            worst=tuple(case for _, case in self._worst(metrics[MAIN])),
            reindex=judge_index(recall, len(self.data), self.wanted, self._seed),
        )
        details: dict[str, Any] = {
            "minimum": {name: float(values.min()) for name, values in metrics.items()},
            "percentiles": own.percentiles,
        }
        return Score({**metrics, **recall}, MAIN, details, own=own)


class OwnClasses(OwnDataTask):
    """Share of samples with the unmerged model's best class."""

    def __init__(
        self,
        name: str,
        data: OwnSamples,
        labels: Mapping[int, str],
        in_place_of: str | None = None,
        seed: int = 0,
    ) -> None:
        """As `OwnDataTask`; ``labels``: names of the class numbers."""
        super().__init__(name, data, in_place_of, seed)
        self._labels = labels

    def _reduce(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        logits = require_output(outputs, "logits", self.name)
        return {"class": best_class(logits), "probability": logits.double().softmax(dim=-1)}

    def _compare(self, unmerged: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> Score:
        change = (unmerged["probability"] - found["probability"]).abs().sum(dim=-1).numpy() / 2
        finite = np.isfinite(change)
        values = np.where(finite, 1 - change, -1)
        same = (unmerged["class"] == found["class"]).numpy() & finite
        # Those whose class changes come first, and of each kind those whose probabilities change the most.
        worst = [
            case.model_copy(
                update={"unmerged": self._answer(unmerged, row), "answered": self._answer(found, row)}
            )
            for row, case in self._worst(values + 2 * same)
        ]
        own = OwnFindings(
            vector=None,
            percentiles=percentiles(values),
            not_finite=int((~finite).sum()),
            worst=tuple(case.model_copy(update={"closeness": float(values[case.row])}) for case in worst),
            reindex=None,
        )
        details: dict[str, Any] = {"differ": int((~same).sum()), "percentiles": own.percentiles}
        return Score({AGREEMENT: same.astype(np.float64)}, AGREEMENT, details, own=own)

    def _answer(self, answers: Mapping[str, Tensor], row: int) -> str:
        number = int(answers["class"][row])
        if number < 0:
            return "not finite"
        share = 100 * float(answers["probability"][row, number])
        return f"{self._labels.get(number, str(number))} ({share:.0f} %)"


class OwnAnswers(OwnDataTask):
    """Answers that are no one class: numbers, several labels, or a class for each token."""

    def __init__(
        self,
        name: str,
        data: OwnSamples,
        answers: AnswerKind,
        in_place_of: str | None = None,
        seed: int = 0,
    ) -> None:
        """As `OwnDataTask`; ``answers``: what the model's logits are."""
        super().__init__(name, data, in_place_of, seed)
        self._answers = answers

    def _reduce(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return named_vectors(inputs, {LOGITS: require_output(outputs, LOGITS, self.name)})

    def _compare(self, unmerged: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> Score:
        metrics, main, details = compare_vectors(found, unmerged, self._answers)
        finite = np.isfinite(metrics[main])
        metrics[main] = np.where(finite, metrics[main], -1)
        own = OwnFindings(
            vector=None,
            percentiles=percentiles(metrics[main]),
            not_finite=int((~finite).sum()),
            worst=tuple(case for _, case in self._worst(metrics[main])),
            reindex=None,
        )
        return Score(metrics, main, {**details, "percentiles": own.percentiles}, own=own)


def indexed_vector(names: Sequence[str]) -> str:
    """The one of a model's vectors that users search by."""
    found = next((name for name in _INDEXED if name in names), None)
    return found or next((name for name in names if name.endswith("class token")), names[0])
