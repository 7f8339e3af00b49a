"""The records of a latency measurement, which `pitome.bundle` has for its manifest, and how one is made."""

from __future__ import annotations

import numpy as np

from pitome.bundle.latency_records import (
    BatchRecord,
    ContestantRecord,
    LatencyConfiguration,
    LatencyRecord,
    LatencyReport,
    MeasuredContestant,
    Memory,
    PairRecord,
    PlanRun,
    Timing,
)
from pitome.validate.bench.rounds import Seconds

__all__ = [
    "BatchRecord",
    "ContestantRecord",
    "LatencyConfiguration",
    "LatencyRecord",
    "LatencyReport",
    "MeasuredContestant",
    "Memory",
    "PairRecord",
    "PlanRun",
    "Timing",
    "timing_of",
]


def timing_of(seconds: Seconds, batch: int) -> Timing:
    """Percentiles and inputs per second.

    Args:
        seconds: [rounds] seconds of one run.
        batch: inputs of one run.
    """
    p50, p90, p95, p99 = (float(value) for value in np.percentile(seconds, (50, 90, 95, 99)))
    return Timing(
        median_milliseconds=1e3 * p50,
        p90_milliseconds=1e3 * p90,
        p95_milliseconds=1e3 * p95,
        p99_milliseconds=1e3 * p99,
        per_second=batch / p50,
    )
