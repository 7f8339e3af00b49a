"""Parity of exported graphs with PyTorch, in three levels (DESIGN.md, "Parity, the rule")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from pitome.models.answers import answer_kind
from pitome.runtime import CPU, Device
from pitome.runtime.native import NativeLibrary
from pitome.text_inputs import TOKEN_TYPE_IDS
from pitome.validate.parity.agreement import judge_decisions, report_decisions, report_reduced
from pitome.validate.parity.batch_composition import chosen_texts, compare_batching
from pitome.validate.parity.graph_check import check_graph
from pitome.validate.parity.graph_weights import used_weights
from pitome.validate.parity.layer_arithmetic import InnerArithmetic, layer_arithmetic
from pitome.validate.parity.module_trace import trace
from pitome.validate.parity.output_arithmetic import compare_arithmetic, reduced_errors
from pitome.validate.parity.overflow import overflows_of
from pitome.validate.parity.passes import Passes, Progress, run_passes
from pitome.validate.parity.records import (
    Arithmetic,
    BatchComposition,
    Decisions,
    GraphFinding,
    LevelVerdict,
    ParityReport,
    ReducedTorch,
)
from pitome.validate.parity.targets import GraphTarget, Target
from pitome.validate.parity.task_level import task_level
from pitome.validate.samples import CheckedInputs
from pitome.validate.thresholds import PASSED, Thresholds, judge, judge_levels, why_not_judged

NOT_RUN = ("bf16",)
"""Precisions that onnxruntime has no kernels for on a CPU; on other devices nobody tried."""
NUM_INSIDE = 4
"""Inputs that are followed from layer to layer."""

__all__ = [
    "check_parity",
    "compare_arithmetic",
    "decide",
    "judge_decisions",
    "report_decisions",
]


def check_parity(
    merged: nn.Module,
    unmerged: nn.Module,
    graphs: Mapping[str, Path],
    outputs: Sequence[str],
    inputs: CheckedInputs,
    *,
    threads: int = 2,
    batch: int = 8,
    num_exact: int = 8,
    device: Device = CPU,
    native: NativeLibrary | None = None,
    torch_precisions: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> ParityReport:
    """Compare exported graphs on onnxruntime with PyTorch.

    Args:
        merged: compressed model, float32.
        unmerged: the model it was made from.
        graphs: precision -> ONNX file. "fp32" is needed, and judged on all levels over all inputs, of texts
            also in a batch and alone; fp16 is judged on its arithmetic, what its merges decide on included,
            its decisions are reported; bf16 has no kernels on a CPU, so that graph is only read and held
            against the model and the graph of fp32.
        outputs: names of the graphs' outputs, fields of the model's output.
        inputs: what to run.
        threads: of onnxruntime.
        batch: inputs at a time.
        num_exact: inputs that also run in float64 and in reduced precision.
        device: where onnxruntime runs them; PyTorch, which they are held against, stays on the CPU.
        native: computes the graphs' merges in place of the function that they carry.
        torch_precisions: reported of PyTorch too, such as "bf16", which no runtime here has.
        thresholds: what the verdict is given by; None = the defaults.
        progress: called with (step, done, total).

    Returns:
        The report; a ``fail`` is for the caller to act on.

    Raises:
        InputError: a text of padding only.
        ParityError: a graph that can't be compared, such as one of another number of merges.
    """
    limits = thresholds or Thresholds()
    targets = {
        precision: GraphTarget(path, precision, threads, device, native)
        for precision, path in graphs.items()
        if precision not in NOT_RUN
    }
    passes = run_passes(
        merged,
        unmerged,
        targets,
        outputs,
        inputs,
        batch=batch,
        num_exact=num_exact,
        torch_precisions=torch_precisions,
        progress=progress,
    )
    inside = inputs.all.rows(inputs.subset(min(NUM_INSIDE, num_exact)))
    inner: list[InnerArithmetic] = []
    for precision in passes.runtime:
        inner.append(
            layer_arithmetic(
                graphs[precision],
                merged,
                precision,
                inside,
                factor=limits.rms_factor,
                threads=threads,
                device=device,
                progress=progress,
            )
        )
    task = task_level(passes, answer_kind(getattr(merged, "config", None)))
    report = ParityReport(
        verdict="pass",
        reason=PASSED,
        decisions=judge_decisions(passes, limits),
        reported_decisions=tuple(
            report_decisions(passes, precision)
            for precision in passes.runtime
            if precision != "fp32" and passes.layers
        ),
        unchecked=tuple(precision for precision in graphs if precision not in passes.runtime),
        arithmetic=tuple(
            record for precision in passes.runtime for record in compare_arithmetic(passes, precision, limits)
        ),
        overflows=overflows_of(passes, merged, outputs, inputs.all),
        layers=tuple(record for found in inner for record in found.layers),
        metrics=tuple(record for found in inner for record in found.metrics),
        graph=tuple(_read_graphs(graphs, merged, outputs, inside.rows([0]).inputs, passes)),
        reduced=tuple(_reduced(passes, precision) for precision in passes.reduced),
        batching=_batching(targets["fp32"], merged, inputs, passes, progress),
        task=task.cosines,
        agreement=task.agreement,
        top1_agreement=task.top1_agreement,
        inputs=_counts(inputs),
        own_data=inputs.own,
        threads=threads,
    )
    found = judge(report, limits)
    return report.model_copy(
        update={"verdict": found.verdict, "reason": found.reason, "failures": found.failures}
    )


def _read_graphs(
    graphs: Mapping[str, Path],
    merged: nn.Module,
    outputs: Sequence[str],
    example: Mapping[str, Tensor],
    passes: Passes,
) -> Iterator[GraphFinding]:
    norms, _ = trace(merged, example)
    used = used_weights(merged, example, outputs)
    for precision, path in graphs.items():
        findings = check_graph(
            path,
            merged,
            precision,
            norms,
            passes.layers,
            used=used,
            judged=None if precision == "fp32" else graphs["fp32"],
            runs=precision in passes.runtime,
        )
        for finding in findings:
            yield finding.model_copy(update={"text": f"{finding.text} ({path.name})", "precision": precision})


def _batching(
    target: Target,
    merged: nn.Module,
    inputs: CheckedInputs,
    passes: Passes,
    progress: Progress | None,
) -> BatchComposition | None:
    if passes.mask is None or len(texts := chosen_texts(inputs)) < 2:
        return None
    return compare_batching(target, merged, texts, passes.layers, passes.rounding, progress)


def _reduced(passes: Passes, precision: str) -> ReducedTorch:
    return ReducedTorch(
        precision=precision,
        images=len(passes.exact),
        errors=reduced_errors(passes, precision),
        decisions=report_reduced(passes, precision),
    )


def _counts(inputs: CheckedInputs) -> dict[str, int]:
    found, of_images = {"random": len(inputs.random)}, "pixel_values" in inputs.real.inputs
    if inputs.own is not None:
        return {**found, "own images" if of_images else "own texts": len(inputs.real)}
    if of_images:
        return {**found, "photos": len(inputs.real)}
    types = inputs.real.inputs.get(TOKEN_TYPE_IDS)
    pairs = 0 if types is None else int((types > 0).any(dim=1).sum())
    return {**found, "sentences": len(inputs.real) - pairs, **({"pairs": pairs} if pairs else {})}


def decide(decisions: Decisions | None, arithmetic: Sequence[Arithmetic]) -> tuple[LevelVerdict, str]:
    """The verdict on levels 1 and 2 under the default thresholds, and its reason in a sentence."""
    limits = Thresholds()
    failures = judge_levels(decisions, arithmetic, (), (), limits)
    if failures:
        return "fail", failures[0]
    unknown = why_not_judged(decisions, limits)
    return ("not judged", unknown) if unknown else ("pass", PASSED)
