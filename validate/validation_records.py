"""What ``pitome validate`` found, as it prints it with --json and as the page shows it."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from pitome.bundle import EnvironmentRecord, ParityReport
from pitome.bundle.parity_records import LevelVerdict
from pitome.validate.evaluate.records import SpectrumReport, TaskAccuracy
from pitome.validate.gpu.records import EngineParity
from pitome.validate.thresholds import Thresholds
from pitome.validate.unmeasured_limits import PartName, UnmeasuredLimit

MERGE_MAPS, SPECTRUM, SWEEP = "merge maps", "spectrum", "sweep"
"""What is skipped beside `ACCURACY` and single tasks."""
PARTS: tuple[PartName, ...] = get_args(PartName)
"""What a verdict is made of, in its order."""
BundleVerdict = Literal["pass", "fail"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Judged(_Record):
    """A part of a validation, with its verdict."""

    verdict: LevelVerdict
    reason: str


class JudgedAccuracy(Judged):
    """The worst runtime of each task decides."""

    tasks: tuple[TaskAccuracy, ...] = Field(description="none: it was not measured")


class JudgedLatency(Judged):
    """The bundle's latency, which may come from another machine and another day; null: not measured."""

    batch: int | None = Field(default=None, ge=1, description="the batch size that decides")
    speedup: float | None = Field(default=None, description="at that batch size")
    speedup_interval: tuple[float, float] | None = Field(default=None, description="its upper end decides")
    share_of_bound: float | None = Field(default=None, description="speed-up / bound by FLOPs")
    cpu: str | None = Field(default=None, description="where it was measured")
    steady: bool | None = Field(default=None, description="null: can't be told")


class PartVerdict(Judged):
    """One row of the verdicts."""

    name: PartName


class BundleJudgement(_Record):
    """What the parts come to."""

    verdict: BundleVerdict
    not_judged: int = Field(ge=0, description="parts that are neither passed nor failed")
    reason: str

    @property
    def told(self) -> str:
        """Such as ``pass, 2 not judged``."""
        return told_verdict(self.verdict, self.not_judged)


def told_verdict(verdict: str, not_judged: int) -> str:
    """The verdict on a bundle in words: pass is never all of it where something was not judged."""
    return f"pass, {not_judged} not judged" if verdict == "pass" and not_judged else verdict


class PlanStatus(_Record):
    """What is known of one plan; it decides nothing."""

    file: str
    executed: bool
    status: str


class SkippedPart(_Record):
    """What was not done."""

    what: str = Field(description="accuracy, merge maps, spectrum, sweep, or the name of one task")
    reason: str


class ValidationEnvironment(EnvironmentRecord):
    """Versions and machine of this validation, as the manifest has those of the build."""

    command: str


class ValidationRecord(BundleJudgement):
    """The whole of it."""

    bundle: str
    parts: tuple[PartVerdict, ...] = Field(min_length=1)
    required: tuple[PartName, ...] = Field(description="parts that fail where they are not judged")
    plans: tuple[PlanStatus, ...] = ()
    thresholds: Thresholds
    parity: ParityReport
    other_parity: dict[str, ParityReport] = Field(
        default={}, description="of the bundle's other graphs, by name, which merge nothing"
    )
    plan_parity: EngineParity | None = Field(
        default=None, description="of the bundle's plan on this machine's GPU; null: none ran"
    )
    accuracy: JudgedAccuracy
    latency: JudgedLatency
    unmeasured: tuple[UnmeasuredLimit, ...] = Field(
        default=(), description="limits that the thresholds set and nothing measured; their parts fail"
    )
    command: str = Field(description="what was typed")
    environment: ValidationEnvironment
    skipped: tuple[SkippedPart, ...] = ()
    thresholds_file: str | None = Field(default=None, description="null: the defaults")
    spectrum: SpectrumReport | None = None
    report: str = Field(description="the page")

    @property
    def why_no_accuracy(self) -> str | None:
        """Why nothing is known of accuracy, where nothing was measured."""
        return None if self.accuracy.tasks else self.accuracy.reason
