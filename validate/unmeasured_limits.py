"""Limits that a user set on what was never measured: they fail, because nobody knows whether they are met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from pitome.validate.agreement_limits import unmeasured_agreement
from pitome.validate.thresholds import Thresholds

if TYPE_CHECKING:
    from pitome.bundle import ParityReport

ACCURACY = "accuracy"
"""What is skipped where no task runs at all."""


class UnmeasuredLimit(BaseModel):
    """A limit without a measurement."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: str = Field(description="its key in the file, such as max_accuracy_drop.r8")
    reason: str = Field(description="what has a limit, and why it was not measured")


def unmeasured_limits(
    limits: Thresholds,
    parity: ParityReport,
    tasks: Sequence[str],
    has_latency: bool,
    reasons: Mapping[str, str],
) -> tuple[UnmeasuredLimit, ...]:
    """The limits of a user, those that have no default or another one, for which there is no number.

    Args:
        limits: as they hold.
        parity: what was found.
        tasks: on which accuracy was measured.
        has_latency: whether the bundle holds one.
        reasons: why a task was skipped, by its name, or by ``ACCURACY`` for all of them.
    """
    found = [
        *_of_tasks(limits, tasks, reasons),
        *_of_parity(limits, parity),
        *_of_latency(limits, has_latency),
    ]
    return tuple(UnmeasuredLimit(limit=limit, reason=reason) for limit, reason in found)


def _of_tasks(
    limits: Thresholds, tasks: Sequence[str], reasons: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for task in limits.max_accuracy_drop:
        if task not in tasks:
            why = reasons.get(task) or reasons.get(ACCURACY) or _no_such_task(task, tasks)
            yield f"max_accuracy_drop.{task}", f"{task} has a limit and was not measured: {why}"


def _no_such_task(task: str, tasks: Sequence[str]) -> str:
    near = get_close_matches(task, tasks, n=1)
    ran = f" ({', '.join(tasks)} did)" if tasks else ""
    return f"no such task ran{ran}" + (f"; did you mean {near[0]}" if near else "")


def _of_parity(limits: Thresholds, parity: ParityReport) -> Iterator[tuple[str, str]]:
    default = Thresholds()
    measured = {cosine.model.rpartition(" ")[2] for cosine in parity.task if cosine.against == "merged"}
    usual = default.min_cosine.model_dump()
    for precision, limit in limits.min_cosine.model_dump().items():
        if limit is not None and limit != usual[precision] and precision not in measured:
            why = f"the bundle has no graph in {precision} that runs here"
            if not measured and parity.agreement:
                why = "the model's answers are numbers, which have no cosine"
            yield (
                f"min_cosine.{precision}",
                f"the cosine in {precision} has a limit and was not measured: {why}",
            )
    yield from unmeasured_agreement(parity, limits)
    if limits.min_top1_agreement is not None and not parity.top1_agreement:
        yield (
            "min_top1_agreement",
            "the agreement of best classes has a limit and was not measured: the model is no classifier with "
            "one of several classes",
        )
    if limits.min_free_running_agreement is not None and parity.decisions is None:
        yield (
            "min_free_running_agreement",
            "the agreement of free-running groups has a limit and was not measured: no merge decides "
            "anything",
        )
    if limits.max_share_excused_by_jumps != default.max_share_excused_by_jumps and parity.decisions is None:
        yield (
            "max_share_excused_by_jumps",
            "the share of decisions that jumps excuse has a limit and was not measured: no merge decides "
            "anything",
        )


def _of_latency(limits: Thresholds, has_latency: bool) -> Iterator[tuple[str, str]]:
    if limits.min_share_of_bound is not None and not has_latency:
        yield (
            "min_share_of_bound",
            "the share of the bound has a limit and was not measured: the bundle holds no latency; "
            "`pitome bench BUNDLE --record` measures it",
        )
