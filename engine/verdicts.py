"""The verdict on each part of a validation, under the thresholds that hold, and on the bundle."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from pitome.bundle.parity_records import LevelVerdict
from pitome.errors import InputError
from pitome.validate.own_data_limits import judge_own_data
from pitome.validate.thresholds import Thresholds, Verdict, judge_accuracy_drop
from pitome.validate.unmeasured_limits import ACCURACY, PartName, UnmeasuredLimit
from pitome.validate.validation_records import (
    PARTS,
    BundleJudgement,
    Judged,
    JudgedAccuracy,
    PartVerdict,
    SkippedPart,
)

if TYPE_CHECKING:
    from pitome.bundle import ParityReport
    from pitome.validate.evaluate.records import TaskAccuracy
    from pitome.validate.gpu.records import EngineParity

ALWAYS_REQUIRED: tuple[PartName, ...] = ("parity",)
"""Where decisions can't be judged, nothing is known of the graph: that passes nowhere."""


_WORSE: Sequence[LevelVerdict] = ("pass", "not judged", "fail")


def required_parts(names: Sequence[str]) -> tuple[PartName, ...]:
    """The parts that fail where they are not judged, in their order.

    Raises:
        InputError: a name that is none.
    """
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise InputError(
            f"REQUIRE={','.join(names)}",
            f"there is no part {unknown[0]!r}; the parts are {', '.join(PARTS)}",
            "Name one or more of them, with commas between",
        )
    return tuple(part for part in PARTS if part in (*ALWAYS_REQUIRED, *names))


def judged_parity(
    graphs: Mapping[str, ParityReport | EngineParity], unmeasured: Sequence[UnmeasuredLimit]
) -> Judged:
    """The worst of the reports' own verdicts, and limits that nothing measured.

    Args:
        graphs: name of a graph, or of a plan that ran -> what was found of it.
        unmeasured: limits of parity that nothing measured.
    """
    missing = [each.reason for each in unmeasured]
    worst = max((found.verdict for found in graphs.values()), key=_WORSE.index)
    if worst != "fail" and missing:
        return Judged(verdict="fail", reason="; ".join(missing))
    told = {
        name: found.reason for name, found in graphs.items() if worst == "pass" or found.verdict != "pass"
    }
    reasons = [*told.values()] if len(graphs) == 1 else [f"{name}: {reason}" for name, reason in told.items()]
    return Judged(verdict=worst, reason="; ".join([*reasons, *missing]))


def judged_accuracy(
    tasks: Sequence[TaskAccuracy],
    limits: Thresholds,
    unmeasured: Sequence[UnmeasuredLimit],
    skipped: Sequence[SkippedPart],
) -> JudgedAccuracy:
    """The worst runtime of each task decides; refitted heads are for information.

    Measured alone is not judged: where no task that ran has a limit, none was met.
    """
    verdicts = [_judged_task(task, limits) for task in tasks]
    failed = [each.reason for each in verdicts if each.verdict == "fail"]
    failed += [each.reason for each in unmeasured]
    if failed:
        return JudgedAccuracy(verdict="fail", reason="; ".join(failed), tasks=tuple(tasks))
    if not verdicts:
        return JudgedAccuracy(verdict="not judged", reason=_why_not_measured(skipped), tasks=())
    passed = any(each.verdict == "pass" for each in verdicts)
    reason = "; ".join(each.reason for each in verdicts)
    return JudgedAccuracy(verdict="pass" if passed else "not judged", reason=reason, tasks=tuple(tasks))


def _judged_task(task: TaskAccuracy, limits: Thresholds) -> Verdict:
    dropped = judge_accuracy_drop(task.task, max(_drops(task), default=0.0), limits)
    if task.own_data is None:
        return dropped
    own = judge_own_data(task, limits.own_data)
    judged = () if dropped.verdict == "not judged" else (dropped.reason,)
    failures = (*own.failures, *(judged if dropped.verdict == "fail" else ()))
    if failures:
        return Verdict("fail", "; ".join(failures), failures)
    if own.met or judged:
        return Verdict("pass", "; ".join((*own.met, *judged)))
    return Verdict("not judged", f"{_lowest(task)}, and has no limit")


def _lowest(task: TaskAccuracy) -> str:
    """The main number of the runtime in which it is lowest."""
    others = [model for model in task.models if model.drop_points is not None]
    worst = min(others, key=lambda model: model.metrics[task.main].mean)
    found = worst.metrics[task.main].mean
    share = f"{100 * found:.2f} %" if task.main == "agreement" else f"{found:.4f}"
    return f"{task.task} has a mean {task.main} of {share} to the unmerged model ({worst.model})"


def _why_not_measured(skipped: Sequence[SkippedPart]) -> str:
    """From what was skipped: all tasks for one reason, or each for its own."""
    of_all = next((row.reason for row in skipped if row.what == ACCURACY), None)
    if of_all is not None:
        return f"not measured: {of_all}"
    return "not measured: " + "; ".join(f"{row.what}: {row.reason}" for row in skipped)


def _drops(task: TaskAccuracy) -> list[float]:
    models = (model for model in task.models if not model.refit)
    return [model.drop_points for model in models if model.drop_points is not None]


def part_verdicts(
    judged: Sequence[tuple[PartName, Judged]], required: Collection[PartName]
) -> tuple[PartVerdict, ...]:
    """One row for each part; a required one fails where it is not judged."""
    rows = []
    for name, found in judged:
        verdict, reason = found.verdict, found.reason
        if verdict == "not judged" and name in required:
            verdict, reason = "fail", f"it is required and not judged: {reason}"
        rows.append(PartVerdict(name=name, verdict=verdict, reason=reason))
    return tuple(rows)


def judged_bundle(parts: Sequence[PartVerdict]) -> BundleJudgement:
    """A bundle fails where a part does, the first of them is the reason; else it passes, and what was not
    judged is counted."""
    left = [part for part in parts if part.verdict == "not judged"]
    failed = next((part for part in parts if part.verdict == "fail"), None)
    if failed is not None:
        reason = f"{failed.name}: {failed.reason}"
        return BundleJudgement(verdict="fail", not_judged=len(left), reason=reason)
    if not left:
        return BundleJudgement(verdict="pass", not_judged=0, reason="every part meets its limits")
    told = "; ".join(f"{part.name} is not judged ({part.reason})" for part in left)
    return BundleJudgement(
        verdict="pass", not_judged=len(left), reason=f"what was judged meets its limits; {told}"
    )
