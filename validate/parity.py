"""Parity of exported graphs with PyTorch, in three levels (DESIGN.md, "Parity, the rule")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from export.onnx import TORCH_TYPES
from validate.decisions import judge, same_groups, smallest_margin
from validate.outputs import cosines, task_vectors
from validate.parity_report import Arithmetic, Cosine, Decisions, Inputs, LayerDecisions, ParityReport
from validate.passes import CheckedImages, Passes, Progress, run_passes

ROUNDING_FACTOR = 2.0
"""Both values of a comparison may be off by the measured rounding."""
FP32_RELATIVE_LIMIT = 1e-5
"""Of a runtime in fp32 to PyTorch with forced decisions, relative to the largest output."""


def random_images(count: int, shape: Sequence[int], seed: int = 0) -> Tensor:
    """Seeded normal noise [count, *shape], scaled as preprocessed images are."""
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def check_parity(
    merged: nn.Module,
    unmerged: nn.Module,
    graphs: Mapping[str, Path],
    outputs: Sequence[str],
    images: CheckedImages,
    *,
    threads: int = 2,
    batch: int = 8,
    num_exact: int = 8,
    progress: Progress | None = None,
) -> ParityReport:
    """Compare exported graphs on onnxruntime with PyTorch.

    Args:
        merged: compressed model, float32.
        unmerged: the model it was made from.
        graphs: precision -> ONNX file. "fp32" is needed, and judged on all levels over all images; fp16 is
            judged on its arithmetic, its decisions are reported; bf16 has no kernels on a CPU.
        outputs: names of the graphs' outputs, fields of the model's output.
        images: what to run.
        threads: of onnxruntime.
        batch: images at a time.
        num_exact: images that also run in float64 and in reduced precision.
        progress: called with (step, done, total).

    Returns:
        The report; a ``fail`` is for the caller to act on.
    """
    passes = run_passes(
        merged,
        unmerged,
        graphs,
        outputs,
        images,
        threads=threads,
        batch=batch,
        num_exact=num_exact,
        progress=progress,
    )
    decisions = judge_decisions(passes)
    arithmetic = tuple(
        record for precision in passes.runtime for record in compare_arithmetic(passes, precision)
    )
    verdict, reason = decide(decisions, arithmetic)
    return ParityReport(
        verdict=verdict,
        reason=reason,
        decisions=decisions,
        reported_decisions=tuple(
            report_decisions(passes, precision)
            for precision in passes.runtime
            if precision != "fp32" and passes.layers
        ),
        unchecked=tuple(precision for precision in graphs if precision not in passes.runtime),
        arithmetic=arithmetic,
        task=tuple(record for precision in passes.runtime for record in compare_task(passes, precision)),
        top1_agreement={
            name: share
            for precision in passes.runtime
            for name, share in compare_top1(passes, precision).items()
        },
        inputs=Inputs(random=len(images.random), photos=len(images.photos)),
        threads=threads,
    )


def judge_decisions(passes: Passes) -> Decisions | None:
    """Level 1: fp32, every merge of every image with the layers before forced."""
    if not passes.layers:
        return None
    layers = tuple(_judge_layer(passes, index, layer) for index, layer in enumerate(passes.layers))
    return Decisions(runtime="onnxruntime fp32", images=layers[0].compared, layers=layers)


def _judge_layer(passes: Passes, index: int, layer: int) -> LayerDecisions:
    target = passes.runtime["fp32"].assignments[index]
    parameters = passes.layers[layer]
    agreed = same_groups(passes.forced["fp32"].decided[index], target)
    tolerance = passes.rounding[layer].times(ROUNDING_FACTOR)
    excused, margins, gaps = 0, [0.0], [float("inf")]
    for image in torch.nonzero(~agreed).flatten().tolist():
        record = passes.exact_records[image][index]
        found = judge(target[image], record.metric[0], record.size[0], parameters, tolerance)
        if found.explained:
            excused += 1
            margins.append(found.margin)
    for image in passes.exact:
        record = passes.exact_records[image][index]
        gaps.append(smallest_margin(record.metric[0], record.size[0], parameters))
    same = int(agreed.sum())
    return LayerDecisions(
        layer=layer,
        tokens=target.shape[1],
        merged=passes.layers[layer].num_merged,
        compared=len(agreed),
        agreed=same,
        excused=excused,
        unexplained=len(agreed) - same - excused,
        tolerance=tolerance.energy,
        similarity_tolerance=tolerance.similarity,
        smallest_margin=min(gaps) if np.isfinite(min(gaps)) else None,
        largest_excused_margin=max(margins),
        free_running_agreement=_share(same_groups(passes.free.decided[index], target)),
    )


def report_decisions(passes: Passes, precision: str) -> Decisions:
    """Decisions of a reduced precision against PyTorch in that precision: reported, not judged."""
    layers = []
    for index, layer in enumerate(passes.layers):
        target = passes.runtime[precision].assignments[index]
        same = same_groups(passes.forced[precision].decided[index], target)
        free = same_groups(passes.free.decided[index][passes.exact], target)
        layers.append(
            LayerDecisions(
                layer=layer,
                tokens=target.shape[1],
                merged=passes.layers[layer].num_merged,
                compared=len(same),
                agreed=int(same.sum()),
                excused=0,
                unexplained=int((~same).sum()),
                tolerance=0.0,
                similarity_tolerance=0.0,
                smallest_margin=None,
                largest_excused_margin=0.0,
                free_running_agreement=_share(free),
            )
        )
    return Decisions(runtime=f"onnxruntime {precision}", images=len(passes.exact), layers=tuple(layers))


def compare_arithmetic(passes: Passes, precision: str) -> list[Arithmetic]:
    """Level 2: the runtime's and PyTorch's outputs against float64, all with the runtime's decisions."""
    rows = passes.exact if precision == "fp32" else list(range(len(passes.exact)))
    found = []
    for name, reference in passes.forced_exact[precision].outputs.items():
        ours = passes.runtime[precision].outputs[name][rows].double()
        plain = passes.forced[precision].outputs[name][rows].double()
        scale = _largest(reference)
        error, torch_error = _largest(ours - reference), _largest(plain - reference)
        limit = 2 * torch_error + _unit_in_the_last_place(scale, precision)
        relative = _largest(ours - plain) / scale if scale else _largest(ours - plain)
        close = precision != "fp32" or relative <= FP32_RELATIVE_LIMIT
        found.append(
            Arithmetic(
                output=name,
                precision=precision,
                runtime="onnxruntime",
                images=len(rows),
                error=error,
                torch_error=torch_error,
                limit=limit,
                scale=scale,
                difference_to_torch=relative,
                passed=error <= limit and close,
            )
        )
    return found


def compare_task(passes: Passes, precision: str) -> list[Cosine]:
    """Level 3: the runtime, nothing forced, against the merged and the unmerged fp32 model, on photos."""
    found = []
    for against, name, ours, theirs in _task_pairs(passes, precision):
        expected = task_vectors(name, theirs)
        for vector, value in task_vectors(name, ours).items():
            cosine = cosines(value, expected[vector])
            found.append(
                Cosine(
                    vector=vector,
                    model=f"onnxruntime {precision}",
                    against=against,
                    mean=float(cosine.mean()),
                    minimum=float(cosine.min()),
                )
            )
    return found


def compare_top1(passes: Passes, precision: str) -> dict[str, float]:
    """Level 3 for classifiers: share of photos with the same best class."""
    return {
        f"onnxruntime {precision} against {against}": _share(ours.argmax(-1) == theirs.argmax(-1))
        for against, name, ours, theirs in _task_pairs(passes, precision)
        if name == "logits"
    }


def _task_pairs(
    passes: Passes, precision: str
) -> list[tuple[Literal["merged", "unmerged"], str, Tensor, Tensor]]:
    """Photos only, where there are any: noise is no task."""
    pairs: list[tuple[Literal["merged", "unmerged"], str, Tensor, Tensor]] = []
    for name, ours in passes.runtime[precision].outputs.items():
        ran = list(range(len(ours))) if precision == "fp32" else passes.exact
        kept = [row for row, image in enumerate(ran) if image < passes.num_photos] or list(range(len(ran)))
        images = [ran[row] for row in kept]
        pairs.append(("merged", name, ours[kept], passes.free.outputs[name][images]))
        pairs.append(("unmerged", name, ours[kept], passes.unmerged.outputs[name][images]))
    return pairs


def decide(
    decisions: Decisions | None, arithmetic: Sequence[Arithmetic]
) -> tuple[Literal["pass", "fail"], str]:
    """The verdict and its reason in a sentence."""
    if decisions is not None and decisions.unexplained:
        first = next(layer for layer in decisions.layers if layer.unexplained)
        return "fail", (
            f"{decisions.unexplained} merge decisions differ from PyTorch's by more than rounding, "
            f"the first of them in layer {first.layer} ({first.unexplained} of {first.compared} images)"
        )
    for record in arithmetic:
        if not record.passed:
            return "fail", (
                f"{record.output} in {record.precision} is off by {record.error:.3g} from float64 with the "
                f"same decisions, where {record.limit:.3g} is allowed (twice PyTorch's own error), and by "
                f"{record.difference_to_torch:.3g} of the largest output from PyTorch"
            )
    return "pass", "every decision agrees or is within rounding, and the arithmetic is as exact as PyTorch's"


def _unit_in_the_last_place(scale: float, precision: str) -> float:
    epsilon = torch.finfo(TORCH_TYPES[precision]).eps
    return float(2.0 ** np.floor(np.log2(scale)) * epsilon) if scale > 0 else 0.0


def _largest(values: Tensor) -> float:
    return float(values.abs().max())


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())
