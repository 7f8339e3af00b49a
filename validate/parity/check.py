"""Parity of exported graphs with PyTorch, in three levels (DESIGN.md, "Parity, the rule")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from pitome.runtime import CPU, Device
from pitome.runtime.native import NativeLibrary
from pitome.validate.outputs import cosines, task_vectors
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
    Cosine,
    Decisions,
    GraphFinding,
    LevelVerdict,
    ParityReport,
    ReducedTorch,
)
from pitome.validate.parity.targets import GraphTarget, Target
from pitome.validate.samples import CheckedInputs
from pitome.validate.thresholds import PASSED, Thresholds, judge, judge_levels, why_not_judged

NOT_RUN = ("bf16",)
"""Precisions that onnxruntime has no kernels for on a CPU; on other devices nobody tried."""
NUM_INSIDE = 4
"""Inputs that are followed from layer to layer."""

__all__ = [
    "check_parity",
    "compare_arithmetic",
    "compare_task",
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
        task=tuple(_task(passes)),
        top1_agreement=_top1(passes),
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
    of_images = "pixel_values" in inputs.real.inputs
    real = "photos" if of_images else "sentences"
    if inputs.own is not None:
        real = "own images" if of_images else "own texts"
    return {"random": len(inputs.random), real: len(inputs.real)}


def decide(decisions: Decisions | None, arithmetic: Sequence[Arithmetic]) -> tuple[LevelVerdict, str]:
    """The verdict on levels 1 and 2 under the default thresholds, and its reason in a sentence."""
    limits = Thresholds()
    failures = judge_levels(decisions, arithmetic, (), (), limits)
    if failures:
        return "fail", failures[0]
    unknown = why_not_judged(decisions, limits)
    return ("not judged", unknown) if unknown else ("pass", PASSED)


def _task(passes: Passes) -> Iterator[Cosine]:
    for precision in passes.runtime:
        yield from compare_task(passes, precision)
    for precision, found in passes.reduced.items():
        yield from _cosines(passes, f"PyTorch {precision}", found.free.outputs, passes.exact)


def _top1(passes: Passes) -> dict[str, float]:
    found: dict[str, float] = {}
    for precision, runtime in passes.runtime.items():
        ran = passes.exact if precision != "fp32" else list(range(len(passes.free.outputs[_any(passes)])))
        found |= _same_class(passes, f"{passes.runtime_name} {precision}", runtime.outputs, ran)
    for precision, reduced in passes.reduced.items():
        found |= _same_class(passes, f"PyTorch {precision}", reduced.free.outputs, passes.exact)
    return found


def _any(passes: Passes) -> str:
    return next(iter(passes.free.outputs))


def compare_task(passes: Passes, precision: str) -> list[Cosine]:
    """Level 3: the runtime, nothing forced, against the merged and the unmerged fp32 model, on real ones."""
    outputs = passes.runtime[precision].outputs
    ran = list(range(len(outputs[_any(passes)]))) if precision == "fp32" else passes.exact
    return list(_cosines(passes, f"{passes.runtime_name} {precision}", outputs, ran))


def _cosines(
    passes: Passes, model: str, outputs: Mapping[str, Tensor], ran: Sequence[int]
) -> Iterator[Cosine]:
    rows, chosen = _real_rows(passes, ran)
    mask = None if passes.mask is None else passes.mask[chosen]
    for name, ours in outputs.items():
        for against, other in _references(passes, name):
            expected = task_vectors(name, other[chosen], mask)
            for vector, value in task_vectors(name, ours[rows].float(), mask).items():
                cosine = cosines(value, expected[vector])
                yield Cosine(
                    vector=vector,
                    model=model,
                    against=against,
                    mean=float(cosine.mean()),
                    minimum=float(cosine.min()),
                )


def _same_class(
    passes: Passes, model: str, outputs: Mapping[str, Tensor], ran: Sequence[int]
) -> dict[str, float]:
    """Level 3 for classifiers: share of real inputs with the same best class."""
    if "logits" not in outputs:
        return {}
    rows, chosen = _real_rows(passes, ran)
    best = outputs["logits"][rows].argmax(-1)
    return {
        f"{model} against {against}": float((best == other[chosen].argmax(-1)).double().mean())
        for against, other in _references(passes, "logits")
    }


def _references(passes: Passes, name: str) -> list[tuple[Literal["merged", "unmerged"], Tensor]]:
    return [("merged", passes.free.outputs[name]), ("unmerged", passes.unmerged.outputs[name])]


def _real_rows(passes: Passes, ran: Sequence[int]) -> tuple[list[int], list[int]]:
    """Rows of what ran and the inputs they are: real ones only, where there are any, for noise is no task."""
    rows = [row for row, index in enumerate(ran) if index < passes.num_real] or list(range(len(ran)))
    return rows, [ran[row] for row in rows]
