"""The record of a parity check on a GPU."""

from __future__ import annotations

from pitome.bundle.record import Record
from pitome.validate.parity.records import Agreement, Arithmetic, Cosine, Decisions, LevelVerdict


class EngineParity(Record):
    """What was found of one way of building the model."""

    name: str
    """Such as "tensorrt plugin"."""
    verdict: LevelVerdict
    reason: str
    images: int
    decisions: Decisions | None
    """Of fp32, judged."""
    reported_decisions: tuple[Decisions, ...]
    """Of the other precisions, reported."""
    arithmetic: tuple[Arithmetic, ...]
    task: tuple[Cosine, ...]
    agreement: tuple[Agreement, ...] = ()
    """Of outputs that are numbers, and of several labels."""
