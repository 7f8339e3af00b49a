"""The verdict on each part of a validation, under the thresholds that hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pitome.validate.report.summary import STEADY
from pitome.validate.thresholds import Thresholds, judge_accuracy_drop, judge_share_of_bound
from pitome.validate.unmeasured_limits import unmeasured_limits
from pitome.validate.validation_records import (
    Judged,
    JudgedAccuracy,
    JudgedLatency,
    JudgedLimits,
    SectionVerdict,
    SkippedPart,
)

if TYPE_CHECKING:
    from pitome.bundle import LatencyReport, ParityReport
    from pitome.bundle.latency_records import LatencyRecord
    from pitome.validate.evaluate.records import TaskAccuracy


def section_verdicts(
    parity: ParityReport,
    accuracy: JudgedAccuracy | None,
    latency: JudgedLatency | None,
    limits: JudgedLimits | None,
) -> tuple[SectionVerdict, ...]:
    """One row for each part that was judged."""
    rows = [SectionVerdict(name="parity", verdict=parity.verdict, reason=parity.reason)]
    if accuracy is not None:
        rows.append(SectionVerdict(name="accuracy", verdict=accuracy.verdict, reason=accuracy.reason))
    if latency is not None:
        rows.append(SectionVerdict(name="latency", verdict=latency.verdict, reason=latency.reason))
    if limits is not None:
        rows.append(SectionVerdict(name="limits", verdict=limits.verdict, reason=limits.reason))
    return tuple(rows)


def judged_bundle(sections: Sequence[SectionVerdict]) -> Judged:
    """A bundle passes where every part does; the first that fails is the reason, else one not judged."""
    for verdict in ("fail", "not judged"):
        found = next((row for row in sections if row.verdict == verdict), None)
        if found is not None:
            return Judged(verdict=found.verdict, reason=f"{found.name}: {found.reason}")
    return Judged(verdict="pass", reason="every section meets its limits")


def judged_accuracy(tasks: Sequence[TaskAccuracy], limits: Thresholds) -> JudgedAccuracy | None:
    """The worst runtime of each task decides, and refitted heads are for information; None without tasks."""
    if not tasks:
        return None
    verdicts = [judge_accuracy_drop(task.task, max(_drops(task), default=0.0), limits) for task in tasks]
    failed = next((found for found in verdicts if found.verdict != "pass"), None)
    reason = failed.reason if failed else "; ".join(found.reason for found in verdicts)
    return JudgedAccuracy(verdict=failed.verdict if failed else "pass", reason=reason, tasks=tuple(tasks))


def _drops(task: TaskAccuracy) -> list[float]:
    models = (model for model in task.models if not model.refit)
    return [model.drop_points for model in models if model.drop_points is not None]


def judged_limits(
    limits: Thresholds,
    parity: ParityReport,
    tasks: Sequence[TaskAccuracy],
    has_latency: bool,
    skipped: Sequence[SkippedPart],
) -> JudgedLimits | None:
    """Limits of the user's without a measurement fail; None where there are none."""
    reasons = {row.what: row.reason for row in skipped}
    found = unmeasured_limits(limits, parity, [task.task for task in tasks], has_latency, reasons)
    if not found:
        return None
    return JudgedLimits(verdict="fail", reason="; ".join(each.reason for each in found), unmeasured=found)


def judged_latency(latency: LatencyReport, limits: Thresholds) -> JudgedLatency:
    """The bundle's latency, which may come from another machine and another day: the reason says so.

    The best batch size decides, since a small batch is bound by other things than FLOPs; one that was
    measured while something drifted does so only where all were.
    """
    from pitome.validate.bench.latency import cpu_model

    steady = [result for result in latency.results if _unsteady(result) is None]
    best = max(steady or latency.results, key=lambda result: result.share_of_bound)
    found = judge_share_of_bound(best.share_of_bound, limits)
    here = cpu_model()
    where = f"measured on {latency.cpu}" + (f", not on this machine ({here})" if latency.cpu != here else "")
    return JudgedLatency(
        verdict=found.verdict,
        reason=f"{found.reason} at batch {best.batch}, {where}, {_steadiness(best)}",
        batch=best.batch,
        share_of_bound=best.share_of_bound,
        cpu=latency.cpu,
        steady=best.steady,
    )


def _steadiness(result: LatencyRecord) -> str:
    unsteady = _unsteady(result)
    if unsteady is not None:
        return f"and not steady ({unsteady})"
    if result.steady is None:
        told = f" ({result.steady_reason})" if result.steady_reason else ""
        return f"not known to be steady{told}"
    return "steady"


def _unsteady(result: LatencyRecord) -> str | None:
    """Why a speed-up should be measured again, where it should; as the summary says it."""
    low, high = result.speedup_interval
    if result.steady is False:
        return result.steady_reason or "something drifted meanwhile"
    if high - low > STEADY * result.speedup:
        return f"the speed-up is only known to be from {low:.2f} to {high:.2f}"
    return None
