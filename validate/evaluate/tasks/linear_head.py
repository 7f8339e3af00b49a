"""A linear classifier on frozen features: scikit-learn's logistic regression, deterministic."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError

Features = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HeadSettings:
    """How features are scaled and how strongly the weights are held down."""

    scaling: str
    """"normalised" (each vector to length 1) or "standardised" (each dimension to mean 0 and deviation 1)."""
    inverse_regularisation: float
    """C of the logistic regression."""


CHOICES = (
    HeadSettings("normalised", 1.0),
    HeadSettings("normalised", 10.0),
    HeadSettings("normalised", 100.0),
    HeadSettings("standardised", 0.001),
    HeadSettings("standardised", 0.01),
    HeadSettings("standardised", 0.1),
)
"""What ``choose_head`` tries; of equals the first one wins."""
_MOST_ITERATIONS = 3000


@dataclass(frozen=True)
class LinearHead:
    """A fitted classifier."""

    settings: HeadSettings
    mean: Features
    deviation: Features
    classifier: Any
    """``sklearn.linear_model.LogisticRegression``."""
    converged: bool

    def predict(self, features: Features) -> Labels:
        """[n, C] -> [n] class numbers; -1, which is never right, where a feature is not finite."""
        finite = np.isfinite(features).all(axis=1)
        predicted = np.full(len(features), -1, np.int64)
        if finite.any():
            scaled = _scaled(features[finite], self.settings, self.mean, self.deviation)
            predicted[finite] = self.classifier.predict(scaled)
        return predicted


def fit_head(features: Features, labels: Labels, settings: HeadSettings) -> LinearHead:
    """Fit a classifier to features [n, C] of labels [n]; the same arguments give the same weights.

    Raises:
        InputError: a feature is NaN or infinite, or there is only one class.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if not np.isfinite(features).all():
        raise InputError(
            "a classifier on the model's features",
            f"{int((~np.isfinite(features).all(axis=1)).sum())} of {len(features)} vectors are not finite",
            "Check the model: its outputs must be finite numbers",
        )
    if len(np.unique(labels)) < 2:
        raise InputError(
            "a classifier on the model's features", "all samples are of one class", "Give two classes or more"
        )

    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    classifier = LogisticRegression(C=settings.inverse_regularisation, max_iter=_MOST_ITERATIONS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier.fit(_scaled(features, settings, mean, deviation), labels)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return LinearHead(settings, mean, deviation, classifier, converged)


def choose_head(
    fit: tuple[Features, Labels], validation: tuple[Features, Labels]
) -> tuple[LinearHead, dict[str, Any]]:
    """The one of ``CHOICES`` that is best on validation, and a JSON record of all of them."""
    heads = [fit_head(*fit, settings) for settings in CHOICES]
    features, labels = validation
    shares = [float((head.predict(features) == labels).mean()) for head in heads]
    best = heads[int(np.argmax(shares))]
    tried = [
        asdict(settings) | {"validation_accuracy": share}
        for settings, share in zip(CHOICES, shares, strict=True)
    ]
    return best, {**asdict(best.settings), "converged": best.converged, "tried": tried}


def _scaled(features: Features, settings: HeadSettings, mean: Features, deviation: Features) -> Features:
    if settings.scaling == "standardised":
        return np.asarray((features - mean) / deviation)
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12))
