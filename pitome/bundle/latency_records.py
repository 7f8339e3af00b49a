"""Records of a latency measurement, as the manifest has them. Imports no more than pydantic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

RuntimeKind = Literal["onnxruntime", "pytorch", "tensorrt", "tensorrt_rtx"]


class Memory(BaseModel):
    """Bytes of resident memory, over those of a process that only imports."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    peak_bytes: int = Field(ge=0, description="the most while the model was loaded or run")
    running_bytes: int = Field(ge=0, description="the most while it ran")
    baseline_bytes: int = Field(
        ge=0, description="what was taken off: the process that only imports, or that holds other things too"
    )


class Timing(BaseModel):
    """How long one run of one model took, over all rounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    median_milliseconds: float = Field(gt=0)
    p90_milliseconds: float | None = Field(None, gt=0, description="percentile, linearly interpolated")
    p95_milliseconds: float = Field(gt=0)
    p99_milliseconds: float | None = Field(None, gt=0, description="of few rounds: close to the slowest")
    per_second: float = Field(gt=0, description="inputs (images, texts) per second at the median")


class PlanRun(BaseModel):
    """The plan whose speed was measured, and the GPU that it ran on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(description="the merged model's plan; the unmerged one's was built beside it")
    backend: Literal["tensorrt_rtx", "tensorrt"] = Field(description="the runtime of both")
    version: str = Field(description="of that runtime")
    precision: Literal["fp32", "fp16", "bf16"] = Field(description="of both graphs")
    gpu: str = Field(description="name of the GPU")
    target: str = Field(description="its architecture, such as `sm89`")
    driver: str = Field(description="the CUDA version that its driver serves")
    launched: str = Field(description="how a run is launched, such as `CUDA graph`")


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


class PairRecord(BaseModel):
    """Two merged graphs in the same rounds: how much faster one is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="a contestant on onnxruntime")
    against: str = Field(description="another, whose time is divided by the first's")
    ratio: float = Field(gt=0, description="median time of that one / of the first")
    ratio_interval: tuple[float, float] = Field(description="95 % bootstrap interval, paired rounds")


class BatchRecord(BaseModel):
    """All contestants at one batch size, measured in the same rounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: int = Field(ge=1)
    contestants: tuple[ContestantRecord, ...] = Field(min_length=1)
    pairs: tuple[PairRecord, ...] = Field((), description="merged graphs beside each other")
    rounds: int = Field(ge=1, description="rounds measured; each runs every contestant once")
    warmup_rounds: int = Field(ge=0)

    def contestant(self, name: str) -> ContestantRecord:
        """The one of this name."""
        return next(record for record in self.contestants if record.name == name)


class LatencyRecord(BaseModel):
    """One batch size: merged against unmerged in one runtime, and everything the numbers depend on."""

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
    onnxruntime: str | None = Field(description="version of onnxruntime; null: a plan ran")
    provider: str = Field(description="of onnxruntime, or the runtime of the plan")
    cpu: str = Field(description="model name of the processor")
    plan: PlanRun | None = Field(None, description="what ran on a GPU in place of onnxruntime")


class MeasuredContestant(BaseModel):
    """What a contestant's numbers depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str = Field(description="of everything that it is made from")
    against: str | None = Field(description="the contestant that its speed is a ratio to")
    bound: float | None = Field(description="FLOPs of that one / its own")


class LatencyConfiguration(BaseModel):
    """Everything that the numbers of a measurement depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contestants: dict[str, MeasuredContestant] = Field(description="by name")
    batches: tuple[int, ...] = Field(description="batch sizes, each once")
    threads: int = Field(ge=1, description="of each session")
    repeats: int | None = Field(description="rounds per batch size; null: as many as min_seconds hold")
    min_seconds: float = Field(description="seconds to measure per batch size")
    seed: int = Field(description="of inputs, of the order inside the rounds, and of the bootstrap")
    memory: bool = Field(description="true: the peak memory was measured too")
    device: str = Field("cpu", description="of onnxruntime")
    inputs: str = Field(description="`seeded`, or the digest of real inputs")
    packages: dict[str, str] = Field(description="versions, by package")
    python: str = Field(description="version of Python")
    cpu: str = Field(description="model name of the processor")
    gpu: str | None = Field(None, description="name of the GPU that plans ran on")


class LatencyReport(BaseModel):
    """What ``pitome bench --json`` prints and a bundle's manifest keeps under ``latency``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    graph: str | None = Field(None, description="name of the graph, where the bundle has several")
    results: tuple[LatencyRecord, ...] = Field(min_length=1)
    threads: int = Field(ge=1)
    onnxruntime: str | None
    provider: str
    cpu: str
    plan: PlanRun | None = Field(None, description="what ran on a GPU in place of onnxruntime")
    configuration: LatencyConfiguration | None = Field(None, description="what the numbers depend on")
    comparison: tuple[BatchRecord, ...] | None = Field(None, description="where more than the two compete")

    @property
    def machine(self) -> str:
        """The GPU or the processor that it was measured on."""
        return self.cpu if self.plan is None else self.plan.gpu

    @classmethod
    def of(
        cls,
        records: Sequence[LatencyRecord],
        configuration: LatencyConfiguration | None = None,
        comparison: Sequence[BatchRecord] | None = None,
    ) -> LatencyReport:
        """Gather records that ``measure`` returned from one call; ValueError where there are none."""
        if not records:
            raise ValueError("a latency report needs at least one record")
        first = records[0]
        return cls(
            results=tuple(records),
            threads=first.threads,
            onnxruntime=first.onnxruntime,
            provider=first.provider,
            cpu=first.cpu,
            plan=first.plan,
            configuration=configuration,
            comparison=None if comparison is None else tuple(comparison),
        )
