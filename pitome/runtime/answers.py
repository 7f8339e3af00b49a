"""What a model's numbers say: names of classes with their scores, and how much two vectors are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pitome.errors import InputError
from pitome.models.answers import AnswerKind
from pitome.runtime.protocol import Array

SLOT = "{}"
"""Where a template has the label."""


class Prediction(NamedTuple):
    """One answer."""

    label: str
    score: float
    """A probability; of a model that gives numbers (regression, ranking) the number itself."""


def predictions(logits: Array, labels: Sequence[str], kind: AnswerKind, top: int) -> list[list[Prediction]]:
    """The best answers for each row, the best one first; of equal ones that of the lower number.

    Args:
        logits: [n, len(labels)].
        labels: in the order of the columns.
        kind: "classes": one of them holds, scores sum to 1; "labels": each holds or not by itself; "numbers":
            scores are the logits, in the order of the columns.
        top: answers for each row at most.
    """
    values = logits.astype(np.float64)
    if kind == "numbers":
        return [
            [Prediction(*each) for each in zip(labels, row.tolist(), strict=True)][:top] for row in values
        ]
    scores = softmax(values) if kind == "classes" else _sigmoid(values)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return [
        [Prediction(labels[place], float(row[place])) for place in places]
        for row, places in zip(scores, order, strict=True)
    ]


def softmax(values: Array) -> Array:
    """Of the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    result: Array = powers / powers.sum(axis=-1, keepdims=True)
    return result


def _sigmoid(values: Array) -> Array:
    result: Array = 0.5 * (1 + np.tanh(values / 2))  # overflows nowhere
    return result


def unit_vectors(vectors: Array) -> Array:
    """Rows of length 1, float64; a row of zeros stays one."""
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    result: Array = wide / np.where(lengths == 0, 1, lengths)
    return result


def label_texts(labels: Sequence[str], template: str) -> list[str]:
    """A text for each label.

    Raises:
        InputError: there are none, one stands there twice or is no text, or the template has not one place
            for it.
    """
    asked = f"labels={labels!r}"[:200]
    listed = isinstance(labels, Sequence) and not isinstance(labels, str)
    if not listed or not all(isinstance(each, str) and each for each in labels):
        raise InputError(asked, "they are no list of texts", 'Give a list such as ["cat", "dog"]')
    if not labels:
        raise InputError(asked, "there are none", "Give at least one")
    twice = next((each for each in labels if list(labels).count(each) > 1), None)
    if twice is not None:
        raise InputError(asked, f"{twice!r} stands there twice", "Give each label once")
    if not isinstance(template, str) or template.count(SLOT) != 1:
        raise InputError(
            f"template={template!r}",
            f"it has not exactly one {SLOT}, where the label goes",
            "Give a text such as 'a photo of {}'",
        )
    return [template.replace(SLOT, each) for each in labels]
