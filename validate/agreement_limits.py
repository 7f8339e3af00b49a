"""Limits on answers that are numbers or labels: whether they are met, and whether they were measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitome.bundle.parity_records import Agreement, ParityReport
    from pitome.validate.thresholds import Thresholds

LIMITS = {
    "max_relative_error": "relative error",
    "min_correlation": "correlation",
    "min_label_agreement": "label agreement",
}
"""Key of a limit -> the measure that it is of."""
_OF = {
    "relative error": "the model's answers are no numbers (regression)",
    "correlation": "the model's answers are no numbers (regression)",
    "label agreement": "the model has not several labels that may all hold",
}


def judge_agreement(report: ParityReport, thresholds: Thresholds) -> Iterator[str]:
    """What fails: the worst number or label of a runtime against the merged model in PyTorch."""
    for key, measure in LIMITS.items():
        limit = getattr(thresholds, key)
        for found in report.agreement if limit is not None else ():
            if found.measure != measure or found.against != "merged":
                continue
            if found.worst is None:
                yield f"{_told(found)} has a limit and is not defined: {found.undefined}"
            elif key.startswith("max") and not found.worst <= limit:
                yield f"{_told(found)} is {found.worst:.3g}, where {limit:g} is allowed"
            elif key.startswith("min") and not found.worst >= limit:
                yield f"{_told(found)} is {found.worst:.5f}, where {limit:g} is wanted"


def unmeasured_agreement(report: ParityReport, thresholds: Thresholds) -> Iterator[tuple[str, str]]:
    """Key and reason of each limit that nothing was measured for."""
    measured = {found.measure for found in report.agreement}
    for key, measure in LIMITS.items():
        if getattr(thresholds, key) is not None and measure not in measured:
            yield key, f"the {measure} has a limit and was not measured: {_OF[measure]}"


def _told(found: Agreement) -> str:
    return f"the {found.measure} of {found.vector} of {found.model} to the merged model in PyTorch"
