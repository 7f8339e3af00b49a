"""Limits that a user set on what was never measured: they fail, because nobody knows whether they are met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from pitome.validate.agreement_limits import unmeasured_agreement
from pitome.validate.own_data_limits import unmeasured_own_limits
from pitome.validate.thresholds import Thresholds

if TYPE_CHECKING:
    from pitome.bundle import ParityReport
    from pitome.validate.evaluate.records import TaskAccuracy

ACCURACY = "accuracy"
"""What is skipped where no task runs at all."""
PartName = Literal["parity", "accuracy", "latency"]
"""The parts of a verdict."""


class UnmeasuredLimit(BaseModel):
    """A limit without a measurement."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: PartName = Field(description="which fails by it")
    limit: str = Field(description="its key in the file, such as max_accuracy_drop.r8")
    reason: str = Field(description="what has a limit, and why it was not measured")


def unmeasured_limits(
    limits: Thresholds,
    parity: ParityReport,
    tasks: Sequence[TaskAccuracy],
    why_no_speed: str | None,
    reasons: Mapping[str, str],
) -> tuple[UnmeasuredLimit, ...]:
    """The limits that a thresholds file sets, for which there is no number.

    A limit of a count or a share of wrong decisions that is written as it is by default asks for no more
    than the default does: where nothing decides, nothing is wrong.

    Args:
        limits: as they hold.
        parity: what was found.
        tasks: what was measured on each.
        why_no_speed: why there is no speed-up to judge; None: there is one.
        reasons: why a task was skipped, by its name, or by ``ACCURACY`` for all of them.
    """
    found = (
        *_of_parity(limits, parity),
        *_of_tasks(limits, [task.task for task in tasks], reasons),
        *_of_own_data(limits, tasks),
        *_of_latency(limits, why_no_speed),
    )
    return tuple(UnmeasuredLimit(part=part, limit=limit, reason=reason) for part, limit, reason in found)


Unmeasured = Iterator[tuple[PartName, str, str]]


def _of_tasks(limits: Thresholds, tasks: Sequence[str], reasons: Mapping[str, str]) -> Unmeasured:
    for task in limits.max_accuracy_drop:
        if task not in tasks:
            why = reasons.get(task) or reasons.get(ACCURACY) or _no_such_task(task, tasks)
            reason = f"{task} has a limit and was not measured: {why}"
            yield "accuracy", f"max_accuracy_drop.{task}", reason


def _of_own_data(limits: Thresholds, tasks: Sequence[TaskAccuracy]) -> Unmeasured:
    for key, reason in unmeasured_own_limits(limits.own_data, list(tasks)):
        yield "accuracy", f"own_data.{key}", reason


def _no_such_task(task: str, tasks: Sequence[str]) -> str:
    near = get_close_matches(task, tasks, n=1)
    ran = f" ({', '.join(tasks)} did)" if tasks else ""
    return f"no such task ran{ran}" + (f"; did you mean {near[0]}" if near else "")


def _of_parity(limits: Thresholds, parity: ParityReport) -> Unmeasured:
    measured = {cosine.model.rpartition(" ")[2] for cosine in parity.task if cosine.against == "merged"}
    for precision, limit in limits.min_cosine.model_dump().items():
        set_by_user = precision in limits.min_cosine.model_fields_set
        if limit is not None and set_by_user and precision not in measured:
            why = f"the bundle has no graph in {precision} that runs here"
            if not measured and parity.agreement:
                why = "the model's answers are numbers, which have no cosine"
            yield (
                "parity",
                f"min_cosine.{precision}",
                f"the cosine in {precision} has a limit and was not measured: {why}",
            )
    yield from (("parity", *found) for found in unmeasured_agreement(parity, limits))
    if limits.min_top1_agreement is not None and not parity.top1_agreement:
        yield (
            "parity",
            "min_top1_agreement",
            "the agreement of best classes has a limit and was not measured: the model is no classifier with "
            "one of several classes",
        )
    if parity.decisions is not None and parity.decisions.compared:
        return
    if limits.min_free_running_agreement is not None:
        yield (
            "parity",
            "min_free_running_agreement",
            "the agreement of free-running groups has a limit and was not measured: no merge decides "
            "anything",
        )
    if limits.max_share_excused_by_jumps != Thresholds().max_share_excused_by_jumps:
        yield (
            "parity",
            "max_share_excused_by_jumps",
            "the share of decisions that jumps excuse has a limit and was not measured: no merge decides "
            "anything",
        )


def _of_latency(limits: Thresholds, why_no_speed: str | None) -> Unmeasured:
    if why_no_speed is None:
        return
    if limits.sets_speedup:
        yield (
            "latency",
            "min_speedup",
            f"the speed-up has a limit and was not measured: {why_no_speed}",
        )
    if limits.min_share_of_bound:
        yield (
            "latency",
            "min_share_of_bound",
            f"the share of the bound has a limit and was not measured: {why_no_speed}",
        )
