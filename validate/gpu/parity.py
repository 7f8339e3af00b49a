"""The verdict on engines that ran on a GPU: the rule of ``pitome.validate.parity.check``, on other passes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from pitome.bundle.manifest import Record
from pitome.validate.gpu.engine import Engine
from pitome.validate.parity.check import (
    compare_arithmetic,
    compare_task,
    decide,
    judge_decisions,
    report_decisions,
)
from pitome.validate.parity.passes import Passes
from pitome.validate.parity.records import Arithmetic, Cosine, Decisions
from pitome.validate.parity.runtime_pass import RuntimePass
from pitome.validate.samples import Samples


class EngineParity(Record):
    """What was found of one way of building the model."""

    name: str
    """Such as "tensorrt plugin"."""
    verdict: Literal["pass", "fail"]
    reason: str
    images: int
    decisions: Decisions | None
    """Of fp32, judged."""
    reported_decisions: tuple[Decisions, ...]
    """Of the other precisions, reported."""
    arithmetic: tuple[Arithmetic, ...]
    task: tuple[Cosine, ...]


def judge_engines(name: str, passes: Passes) -> EngineParity:
    """Judge the engines whose outputs and decisions stand in ``passes.runtime``.

    Args:
        name: of this way of building, for the report.
        passes: what ran.
    """
    decisions = judge_decisions(passes)
    arithmetic = tuple(
        record.model_copy(update={"runtime": name})
        for precision in passes.runtime
        for record in compare_arithmetic(passes, precision)
    )
    verdict, reason = decide(decisions, arithmetic)
    reported = [report_decisions(passes, precision) for precision in passes.runtime if precision != "fp32"]
    return EngineParity(
        name=name,
        verdict=verdict,
        reason=reason,
        images=len(passes.exact),
        decisions=decisions and decisions.model_copy(update={"runtime": f"{name} fp32"}),
        reported_decisions=tuple(
            record.model_copy(update={"runtime": record.runtime.replace("onnxruntime", name)})
            for record in reported
        ),
        arithmetic=arithmetic,
        task=tuple(
            record.model_copy(update={"model": f"{name} {precision}"})
            for precision in passes.runtime
            for record in compare_task(passes, precision)
        ),
    )


def run_engine(engine: Engine, samples: Samples, batch: int, assignments: tuple[str, ...]) -> RuntimePass:
    """Run an engine over samples.

    Args:
        engine: whose inputs the samples name.
        samples: on the CPU.
        batch: samples at a time.
        assignments: which of the outputs are decisions, in the order of the merges.
    """
    parts = [_run_batch(engine, part) for part in samples.batches(batch)]
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    decided = tuple(joined.pop(name) for name in assignments)
    return RuntimePass(joined, decided)


def _run_batch(engine: Engine, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    bound = engine.bind(len(next(iter(inputs.values()))))
    for name, tensor in bound.inputs.items():
        tensor.copy_(inputs[name])
    bound.enqueue()
    torch.cuda.current_stream().synchronize()
    return {name: value.cpu() for name, value in bound.outputs.items()}
