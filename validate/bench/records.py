"""Records of a latency measurement, as JSON has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pitome.validate.bench.contestants import RuntimeKind
from pitome.validate.bench.memory import Memory
from pitome.validate.bench.rounds import Seconds


class Timing(BaseModel):
    """How long one run of one model took, over all rounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    median_milliseconds: float = Field(gt=0)
    p90_milliseconds: float | None = Field(None, gt=0, description="percentile, linearly interpolated")
    p95_milliseconds: float = Field(gt=0)
    p99_milliseconds: float | None = Field(None, gt=0, description="of few rounds: close to the slowest")
    per_second: float = Field(gt=0, description="inputs (images, texts) per second at the median")


class ContestantRecord(BaseModel):
    """One contestant at one batch size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    runtime: RuntimeKind
    provider: str | None = Field(None, description="of onnxruntime: who took the graph")
    timing: Timing
    against: str | None = Field(description="the contestant that its speed is a ratio to; none: a baseline")
    ratio: float | None = Field(description="median time of that one / its own")
    ratio_interval: tuple[float, float] | None = Field(description="95 % bootstrap interval, paired rounds")
    bound: float | None = Field(description="FLOPs of that one / its own")
    share_of_bound: float | None = Field(description="ratio / bound")
    steady: bool | None = Field(description="false: it drifted while it was measured; null: too few rounds")
    steady_reason: str | None = Field(description="why it is not called steady")
    memory: Memory | None = Field(description="null: not measured")


class BatchRecord(BaseModel):
    """All contestants at one batch size, measured in the same rounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: int = Field(ge=1)
    contestants: tuple[ContestantRecord, ...] = Field(min_length=1)
    rounds: int = Field(ge=1, description="rounds measured; each runs every contestant once")
    warmup_rounds: int = Field(ge=0)

    def contestant(self, name: str) -> ContestantRecord:
        """The one of this name."""
        return next(record for record in self.contestants if record.name == name)


class ContestantConfiguration(BaseModel):
    """What a contestant is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str = Field(description="of its graph, or of its weights and method")
    against: str | None
    bound: float | None


class MeasurementConfiguration(BaseModel):
    """Everything that a comparison's records depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contestants: dict[str, ContestantConfiguration]
    batches: tuple[int, ...]
    threads: int
    repeats: int | None
    min_seconds: float
    seed: int
    memory: bool
    device: str = Field("cpu", description="of onnxruntime")
    inputs: str = Field(description='"seeded", or a digest of the first of them')
    packages: dict[str, str] = Field(description="name -> version")
    python: str
    cpu: str


class LatencyRecord(BaseModel):
    """One batch size: merged against unmerged on onnxruntime, and everything the numbers depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: int = Field(ge=1)
    speedup: float = Field(gt=0, description="median unmerged time / median merged time")
    speedup_interval: tuple[float, float] = Field(description="95 % bootstrap interval over paired rounds")
    bound: float = Field(gt=0, description="FLOPs of the unmerged model / FLOPs of the merged model")
    share_of_bound: float = Field(gt=0, description="speedup / bound")
    merged: Timing
    unmerged: Timing
    steady: bool | None = Field(None, description="false: something drifted meanwhile; null: can't be told")
    steady_reason: str | None = Field(None, description="what is not called steady, and why")
    rounds: int = Field(ge=2, description="rounds measured; each runs both models once")
    warmup_rounds: int = Field(ge=0)
    threads: int = Field(ge=1, description="intra-operator threads of each session")
    seed: int
    onnxruntime: str = Field(description="version of onnxruntime")
    provider: str
    cpu: str = Field(description="model name of the processor")


class LatencyReport(BaseModel):
    """What ``pitome bench --json`` prints and a bundle's manifest keeps under ``latency``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    results: tuple[LatencyRecord, ...] = Field(min_length=1)
    threads: int = Field(ge=1)
    onnxruntime: str
    provider: str
    cpu: str
    configuration: MeasurementConfiguration | None = Field(None, description="what the numbers depend on")
    comparison: tuple[BatchRecord, ...] | None = Field(None, description="where more than the two compete")

    @classmethod
    def of(
        cls,
        records: Sequence[LatencyRecord],
        configuration: MeasurementConfiguration | None = None,
        comparison: Sequence[BatchRecord] | None = None,
    ) -> LatencyReport:
        """Gather the records of one measurement; ValueError where there are none."""
        if not records:
            raise ValueError("a latency report needs at least one record")
        first = records[0]
        return cls(
            results=tuple(records),
            threads=first.threads,
            onnxruntime=first.onnxruntime,
            provider=first.provider,
            cpu=first.cpu,
            configuration=configuration,
            comparison=None if comparison is None else tuple(comparison),
        )


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
