"""How latency is measured: batch sizes, threads, rounds, seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pitome.errors import InputError
from pitome.runtime import CPU, Device


@dataclass(frozen=True)
class LatencySettings:
    """How latency is measured."""

    batches: tuple[int, ...]
    threads: int = 2
    repeats: int | None = None
    """Rounds per batch size; by default as many as ``min_seconds`` hold, from 11 to 1000."""
    min_seconds: float = 10.0
    """Wall time to measure per batch size."""
    seed: int = 0
    """Of inputs, of the order inside the rounds, and of the bootstrap."""
    memory: bool = False
    """Measure the peak memory of every ONNX file too."""
    device: Device = CPU
    """Where onnxruntime runs. On a GPU the copies of inputs and outputs are a part of each run."""


def check_settings(settings: LatencySettings, bound: float = 1.0) -> list[int]:
    """Refuse numbers out of range (InputError); the batch sizes without repetitions, in order."""
    sizes = list(dict.fromkeys(settings.batches))
    threads, repeats, min_seconds = settings.threads, settings.repeats, settings.min_seconds
    if not sizes:
        raise InputError("a latency measurement", "no batch size was given", "Give one, such as --batch 1")
    for batch in sizes:
        if batch < 1:
            raise InputError(
                f"batch {batch}",
                "a batch holds at least one input",
                "Give batch sizes of 1 or more, such as --batch 1 --batch 8",
            )
    if threads < 1:
        raise InputError(
            f"{threads} threads", "a session runs on at least one", "Give --threads 1 or more (default 2)"
        )
    if repeats is not None and repeats < 2:
        raise InputError(
            f"{repeats} repeats", "an interval needs at least two rounds", "Give --repeats 2 or more"
        )
    if not (math.isfinite(min_seconds) and min_seconds >= 0):
        raise InputError(
            f"{min_seconds} seconds of measuring", "that is no duration", "Give 0 seconds or more"
        )
    if not (math.isfinite(bound) and bound > 0):
        raise InputError(
            f"a FLOPs bound of {bound}",
            "the bound is FLOPs before / FLOPs after, a positive number",
            "Take it from the schedule's FLOPs count",
        )
    return sizes
