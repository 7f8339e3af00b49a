"""The verdict on engines that ran on a GPU: the rule and the passes of ``validate/parity``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pitome.models.answers import AnswerKind
from pitome.runtime import Runtime
from pitome.validate.gpu.records import EngineParity
from pitome.validate.parity.check import (
    compare_arithmetic,
    decide,
    judge_decisions,
    report_decisions,
)
from pitome.validate.parity.passes import Passes
from pitome.validate.parity.task_level import task_level
from pitome.validate.runs import Advance, Run, run_samples
from pitome.validate.samples import Samples


@dataclass(frozen=True)
class EngineTarget:
    """A plan that returns its decisions, as parity checks it."""

    runtime: str
    """As reports call this way of building, such as "tensorrt plugin"."""
    file: str
    """Name of the plan, as errors say it."""
    load: Callable[[], Runtime]
    """Makes the runtime; it is dropped after the pass."""

    def run(self, samples: Samples, batch: int, advance: Advance | None = None) -> Run:
        """Run samples, ``batch`` at a time."""
        return run_samples(self.load(), samples, batch, advance)


def judge_engines(passes: Passes, answers: AnswerKind = "classes") -> EngineParity:
    """Judge the engines whose outputs and decisions stand in ``passes.runtime``.

    Args:
        passes: of the engines and of PyTorch.
        answers: what the model's logits are, where it has any.
    """
    decisions = judge_decisions(passes)
    arithmetic = tuple(
        record for precision in passes.runtime for record in compare_arithmetic(passes, precision)
    )
    verdict, reason = decide(decisions, arithmetic)
    task = task_level(passes, answers, tuple(passes.runtime))
    return EngineParity(
        name=passes.runtime_name,
        verdict=verdict,
        reason=reason,
        images=len(passes.exact),
        decisions=decisions,
        reported_decisions=tuple(
            report_decisions(passes, precision) for precision in passes.runtime if precision != "fp32"
        ),
        arithmetic=arithmetic,
        task=task.cosines,
        agreement=task.agreement,
    )
