"""What ``pitome validate`` found, as it prints it with --json and as the page shows it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pitome.bundle import EnvironmentRecord, ParityReport
from pitome.bundle.parity_records import LevelVerdict
from pitome.validate.evaluate.records import SpectrumReport, TaskAccuracy
from pitome.validate.thresholds import Thresholds
from pitome.validate.unmeasured_limits import UnmeasuredLimit

MERGE_MAPS, SPECTRUM, SWEEP = "merge maps", "spectrum", "sweep"
"""What is skipped beside `ACCURACY` and single tasks."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Judged(_Record):
    """A part of a validation, with its verdict."""

    verdict: LevelVerdict
    reason: str


class JudgedAccuracy(Judged):
    """The worst runtime of each task decides."""

    tasks: tuple[TaskAccuracy, ...]


class JudgedLatency(Judged):
    """The bundle's latency, which may come from another machine and another day."""

    batch: int = Field(ge=1, description="the batch size that decides")
    share_of_bound: float = Field(description="speed-up / bound by FLOPs, at that batch size")
    cpu: str = Field(description="where it was measured")
    steady: bool | None = Field(description="null: can't be told")


class JudgedLimits(Judged):
    """Limits of the user's on what was never measured."""

    unmeasured: tuple[UnmeasuredLimit, ...]


class SectionVerdict(Judged):
    """One row of the verdicts."""

    name: Literal["parity", "accuracy", "latency", "limits"]


class SkippedPart(_Record):
    """What was not done."""

    what: str = Field(description="accuracy, merge maps, spectrum, sweep, or the name of one task")
    reason: str


class ValidationEnvironment(EnvironmentRecord):
    """Versions and machine of this validation, as the manifest has those of the build."""

    command: str


def _absent(value: object) -> bool:
    return value is None


class ValidationRecord(_Record):
    """The whole of it; a part that was not judged has no key in the JSON."""

    bundle: str
    verdict: LevelVerdict
    reason: str
    thresholds: Thresholds
    sections: tuple[SectionVerdict, ...] = Field(min_length=1)
    parity: ParityReport
    accuracy: JudgedAccuracy | None = Field(default=None, exclude_if=_absent)
    latency: JudgedLatency | None = Field(default=None, exclude_if=_absent)
    limits: JudgedLimits | None = Field(default=None, exclude_if=_absent)
    command: str = Field(description="what was typed")
    environment: ValidationEnvironment
    skipped: tuple[SkippedPart, ...] = ()
    thresholds_file: str | None = Field(default=None, description="null: the defaults")
    spectrum: SpectrumReport | None = None
    report: str = Field(description="the page")
