"""Text classification with a frozen encoder: sentence vectors and a logistic regression on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError
from pitome.models.tokenizer import Text
from pitome.runtime import Runtime
from pitome.validate.evaluate.datasets.orange_tab import LabelledTexts
from pitome.validate.evaluate.datasets.splits import held_out, stratified_choice
from pitome.validate.evaluate.tasks.feature_cache import FeatureCache
from pitome.validate.evaluate.tasks.linear_head import LinearHead, choose_head, fit_head
from pitome.validate.outputs import SENTENCE_EMBEDDING
from pitome.validate.padding_records import FULL_LENGTH, PADDED
from pitome.validate.samples import Samples, Skipped, joined
from pitome.validate.task import Progress, Score, Split, Task, require_output, run_samples

if TYPE_CHECKING:
    from torch import Tensor

OUTPUT, MASK = "last_hidden_state", "attention_mask"


def sentence_vectors(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean of hidden [B, L, C] over the positions whose mask [B, L] is 1 -> [B, C] float64."""
    weight = mask.double().unsqueeze(-1)
    # A select, not a product: padding positions may hold anything, NaN included.
    real = hidden.double().masked_fill(weight == 0, 0.0)
    return real.sum(dim=1) / weight.sum(dim=1).clamp(min=1)


class TextClassification(Task):
    """A corpus, a tokeniser, and a linear head on the model's sentence embedding, or on the mean over its
    token vectors where it has none.

    The training documents give a set to fit the head to and a validation set, disjoint and stratified by
    class. ``prepare`` fits the head to the unmerged model's features; its scaling and regularisation are
    chosen on validation with the unmerged model and fixed from then on, also for heads that are fitted anew.
    """

    has_head: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        train: LabelledTexts,
        test: LabelledTexts,
        encode: Callable[[Sequence[Text]], dict[str, Tensor]],
        *,
        num_fit: int = 3000,
        num_validation: int = 1000,
        num_test: int | None = None,
        seed: int = 0,
        cache: FeatureCache | None = None,
    ) -> None:
        """Choose the documents.

        Args:
            name: of the task.
            train: training documents.
            test: test documents; the same classes.
            encode: texts -> input_ids and attention_mask, int64 [n, L].
            num_fit: training documents that the head is fitted to.
            num_validation: other training documents, that choices are made by.
            num_test: test documents, a stratified choice; None = all.
            seed: of the choices.
            cache: of the unmerged model's features; None = compute them each time.

        Raises:
            InputError: more documents wanted than there are.
        """
        self.name = name
        fit, validation = held_out(train.labels, num_fit, num_validation, seed)
        chosen = None if num_test is None else stratified_choice(test.labels, num_test, seed)
        self._texts = {
            "fit": train.rows(fit),
            "validation": train.rows(validation),
            "test": test if chosen is None else test.rows(chosen),
        }
        self._skipped = joined([*train.skipped, *test.skipped])
        self._encode, self._cache = encode, cache
        self._encoded: dict[str, Samples] = {}
        self._head: LinearHead | None = None
        self._head_record: dict[str, Any] = {}

    def count(self, split: Split) -> int:
        """Documents of a split."""
        return len(self._texts[split])

    def samples(self, split: Split, rows: slice | Sequence[int] = slice(None)) -> Samples:
        """Tokenised documents; each split is tokenised once and kept."""
        return self._tokens(split).rows(rows)

    def labels(self, split: Split) -> npt.NDArray[np.int64]:
        """[n] class numbers."""
        return self._texts[split].labels

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Documents without a text."""
        return self._skipped

    def prepare(self, unmerged: Runtime, progress: Progress | None = None) -> None:
        """Fit the head to the unmerged model's features; its settings are chosen on validation."""
        fit, validation = (
            (self._unmerged_features(unmerged, split, progress), self._texts[split].labels)
            for split in ("fit", "validation")
        )
        self._head, self._head_record = choose_head(fit, validation)

    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        """Accuracy of the head on a model's sentence vectors; see `Task.score`.

        Raises:
            InputError: ``prepare`` was not called.
        """
        if self._head is None:
            raise InputError(
                f"a score on {self.name}",
                "the head is not fitted yet",
                "Call prepare with the unmerged model",
            )
        head = self._head
        if refit:
            features = self._features(encoder, "fit", progress)
            head = fit_head(features, self._texts["fit"].labels, head.settings)
        right = head.predict(self._features(encoder, split, progress)) == self.labels(split)
        details = {
            "head": {**self._head_record, "fitted_to": "this model" if refit else "the unmerged model"},
            **self._length_details(split, right),
        }
        if refit:
            details["head"]["converged"] = head.converged
        values = right.astype(np.float64)
        return Score({"accuracy": values, **self._by_length(split, values)}, "accuracy", details)

    def _by_length(self, split: Split, values: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
        """Documents that fill the whole length and padded ones apart, where there are both."""
        full = self._full(split)
        parts = {FULL_LENGTH: values[full], PADDED: values[~full]}
        return parts if all(len(part) >= 2 for part in parts.values()) else {}

    def _full(self, split: Split) -> npt.NDArray[np.bool_]:
        return np.asarray(self._tokens(split).inputs[MASK].numpy().all(axis=1))

    def _length_details(self, split: Split, right: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """Tokens, padding, and documents that fill the whole length, counted separately."""
        mask = self._tokens(split).inputs[MASK].numpy()
        full = self._full(split)
        return {
            "documents": {name: len(texts) for name, texts in self._texts.items()},
            "sequence_length": int(mask.shape[1]),
            "mean_tokens": float(mask.sum(axis=1).mean()),
            "padding_share": float(1 - mask.mean()),
            "full_length": _part(right[full]),
            "padded": _part(right[~full]),
        }

    def _unmerged_features(
        self, unmerged: Runtime, split: str, progress: Progress | None
    ) -> npt.NDArray[np.float64]:
        """From the cache, if this model agrees with it on the first batch."""
        tokens = self._tokens(split)
        kept = self._cache.read(tokens) if self._cache is not None else None
        if kept is not None and len(kept) == len(tokens):
            few = tokens.rows(slice(0, self.batch))
            first = run_samples(few, self.batch, unmerged, self._reduce, f"{self.name}: {split}, from cache")
            if np.allclose(first["sentence"].numpy(), kept[: len(few)], rtol=1e-4, atol=1e-5):
                return kept
        features = self._features(unmerged, split, progress)
        if self._cache is not None:
            self._cache.write(tokens, features)
        return features

    def _features(self, encoder: Runtime, split: str, progress: Progress | None) -> npt.NDArray[np.float64]:
        vectors = run_samples(
            self._tokens(split), self.batch, encoder, self._reduce, f"{self.name}: {split}", progress
        )
        return vectors["sentence"].numpy()

    def _reduce(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if SENTENCE_EMBEDDING in outputs:
            return {"sentence": outputs[SENTENCE_EMBEDDING].double()}
        return {"sentence": sentence_vectors(require_output(outputs, OUTPUT, self.name), inputs[MASK])}

    def _tokens(self, split: str) -> Samples:
        if split not in self._encoded:
            self._encoded[split] = Samples(self._encode(self._texts[split].texts))
        return self._encoded[split]


def _part(right: npt.NDArray[np.bool_]) -> dict[str, Any]:
    return {"count": len(right), "accuracy": float(right.mean()) if len(right) else None}
