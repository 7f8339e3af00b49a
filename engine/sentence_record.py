"""How a bundle's graph makes one vector of a text, for the manifest."""

from __future__ import annotations

from typing import Literal

from pitome.bundle.sentence_records import DenseRecord, NormaliseRecord, PoolingRecord, SentenceRecord
from pitome.models.loading import LoadedModel
from pitome.models.sentence import HEAD
from pitome.models.sentence_files import DenseLayer, PoolingMode

_Merged = Literal[
    "as it is", "over the tokens that are left", "weighted by size", "weighted by size, over the root of all"
]
_MERGED: dict[PoolingMode, _Merged] = {
    "cls": "as it is",
    "max": "over the tokens that are left",
    "mean": "weighted by size",
    "mean_sqrt_len_tokens": "weighted by size, over the root of all",
}


def sentence_record(loaded: LoadedModel) -> SentenceRecord | None:
    """None where the model has no sentence embedding."""
    modules = loaded.sentence
    if modules is None:
        return None
    steps = tuple(
        DenseRecord(
            in_features=step.in_features,
            out_features=step.out_features,
            bias=step.bias,
            activation=step.activation,
        )
        if isinstance(step, DenseLayer)
        else NormaliseRecord()
        for step in modules.steps
    )
    return SentenceRecord(
        pooling=tuple(PoolingRecord(mode=mode, merged=_MERGED[mode]) for mode in modules.pooling),
        steps=steps,
        dimension=getattr(loaded.model, HEAD).dimension,
        lower_case=modules.lower_case,
    )
