"""Parity of an exported model with PyTorch, in three levels (DESIGN.md, "Parity, the rule")."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from export.onnx import TORCH_TYPES
from pitome.merge import score_tokens
from pitome.merged_layers import MergedLayers
from pitome.methods import EnergyMerger
from pitome.observe import MergeRecord, observe_merges
from pitome.parameters import MergeParameters
from validate.decisions import judge, same_groups, smallest_margin
from validate.outputs import cosines, task_vectors
from validate.parity_report import Arithmetic, Cosine, Decisions, Inputs, LayerDecisions, ParityReport
from validate.runtime_pass import RuntimePass, run_graph

Progress = Callable[[str, int, int], None]
ROUNDING_FACTOR = 2.0
"""Both sides of a comparison may be off by the measured rounding."""
FP32_RELATIVE_LIMIT = 1e-5
"""Of a runtime in fp32 to PyTorch, forced decisions, relative to the largest output."""


@dataclass(frozen=True)
class CheckedImages:
    """What parity is checked on: [n, 3, H, W] float32."""

    random: Tensor
    photos: Tensor

    @property
    def all(self) -> Tensor:
        """Photos first, so that a small subset has real images."""
        return torch.cat([self.photos, self.random])


def random_images(count: int, shape: Sequence[int], seed: int = 0) -> Tensor:
    """Seeded normal noise [count, *shape], as preprocessed images are scaled."""
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
    exact_images: int = 8,
    reduced_images: int = 16,
    progress: Progress | None = None,
) -> ParityReport:
    """Compare exported graphs on onnxruntime with PyTorch.

    Args:
        merged: compressed model, float32.
        unmerged: the model it was made from.
        graphs: precision -> ONNX file; "fp32" is judged on all levels, the others on level 2.
        outputs: names of the graphs' outputs, fields of the model's output.
        images: what to run.
        threads: of onnxruntime.
        batch: images at a time.
        exact_images: how many images are also run in float64.
        reduced_images: how many images the graphs of reduced precision run.
        progress: called with (step, done, total).

    Returns:
        The report; a ``fail`` is for the caller to act on.
    """
    return _Check(
        merged, unmerged, outputs, images, threads, batch, exact_images, reduced_images, progress
    ).run(graphs)


class _Check:
    """One run of the check; the expensive passes are made once and shared by the levels."""

    def __init__(
        self,
        merged: nn.Module,
        unmerged: nn.Module,
        outputs: Sequence[str],
        images: CheckedImages,
        threads: int,
        batch: int,
        exact_images: int,
        reduced_images: int,
        progress: Progress | None,
    ) -> None:
        self.merged, self.unmerged, self.outputs, self.images = merged, unmerged, tuple(outputs), images
        self.threads, self.batch, self.progress = threads, batch, progress
        self.pixels = images.all
        # Half photos, half noise where there are both.
        photos, noise = len(images.photos), len(images.random)
        half = min(photos, max(exact_images // 2, exact_images - noise))
        self.exact = [*range(half), *range(photos, photos + min(noise, exact_images - half))]
        self.reduced = self.exact[:reduced_images]
        stack = next(module for module in merged.modules() if isinstance(module, MergedLayers))
        self.mergers = {index: merger for index, merger in enumerate(stack.mergers) if merger is not None}

    def report(self, step: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(step, done, total)

    def run(self, graphs: Mapping[str, Path]) -> ParityReport:
        target = self.run_runtime(graphs["fp32"], "fp32", self.pixels)
        torch_forced, records = self.run_torch(self.merged, self.pixels, target.assignments, "PyTorch, forced")
        exact_model = copy.deepcopy(self.merged).double()
        rounding = self.measure_rounding(exact_model, target, records)
        decisions = self.judge_decisions(exact_model, target, records, rounding)
        arithmetic = self.compare_arithmetic("fp32", target, torch_forced, self.exact, exact_model)
        free, _ = self.run_torch(self.merged, self.pixels, None, "PyTorch, free")
        base, _ = self.run_torch(self.unmerged, self.pixels, None, "PyTorch, unmerged")
        task, top1 = self.compare_task("onnxruntime fp32", target.outputs, free, base, range(len(self.pixels)))
        reported = []
        for precision, path in graphs.items():
            if precision not in ("fp32", "bf16"):  # onnxruntime has no bfloat16 kernels on a CPU
                extra = self.check_reduced(precision, path, exact_model, free, base)
                arithmetic += extra[0]
                reported.append(extra[1])
                task += extra[2]
                top1 |= extra[3]
        verdict, reason = _verdict(decisions, arithmetic)
        return ParityReport(
            verdict=verdict,
            reason=reason,
            decisions=decisions,
            reported_decisions=tuple(reported),
            arithmetic=tuple(arithmetic),
            task=tuple(task),
            top1_agreement=top1,
            inputs=Inputs(random=len(self.images.random), photos=len(self.images.photos)),
            threads=self.threads,
        )

    def run_runtime(self, path: Path, precision: str, pixels: Tensor) -> RuntimePass:
        total, done = -(-len(pixels) // self.batch), 0

        def advance() -> None:
            nonlocal done
            done += 1
            self.report(f"onnxruntime {precision}", done, total)

        self.report(f"onnxruntime {precision}", 0, total)
        return run_graph(path, pixels, self.batch, self.threads, advance)

    def run_torch(
        self, model: nn.Module, pixels: Tensor, forced: Sequence[Tensor] | None, step: str
    ) -> tuple[dict[str, Tensor], list[list[MergeRecord]]]:
        """Outputs of all images, and for each batch its merges without their metric."""
        collected: list[dict[str, Tensor]] = []
        records = []
        dtype = next(model.parameters()).dtype
        total = -(-len(pixels) // self.batch)
        for index in range(total):
            part = slice(index * self.batch, (index + 1) * self.batch)
            own = None if forced is None else [assignment[part] for assignment in forced]
            with torch.no_grad(), observe_merges(own, keep_metric=False) as observer:
                output = model(pixels[part].to(dtype))
            collected.append({name: getattr(output, name) for name in self.outputs})
            records.append(observer.records)
            self.report(step, index + 1, total)
        return {name: torch.cat([part[name] for part in collected]) for name in self.outputs}, records

    def parameters(self, layer: int) -> MergeParameters | None:
        merger = self.mergers[layer]
        return merger.parameters if isinstance(merger, EnergyMerger) else None

    def observe(self, model: nn.Module, image: int, target: RuntimePass) -> list[MergeRecord]:
        """The merges of one image with their metric, all decisions forced."""
        dtype = next(model.parameters()).dtype
        own = [assignment[image : image + 1] for assignment in target.assignments]
        with torch.no_grad(), observe_merges(own) as observer:
            model(self.pixels[image : image + 1].to(dtype))
        return observer.records

    def measure_rounding(
        self, exact_model: nn.Module, target: RuntimePass, records: list[list[MergeRecord]]
    ) -> dict[int, float]:
        """Layer -> how far float32 PyTorch is from float64 in similarity and energy, decisions forced."""
        worst: dict[int, float] = {}
        for done, image in enumerate(self.exact):
            pairs = zip(self.observe(self.merged, image, target), self.observe(exact_model, image, target), strict=True)
            for single, double in pairs:
                parameters = self.parameters(single.layer)
                if parameters is not None:
                    found = _rounding(single, double, parameters)
                    worst[single.layer] = max(worst.get(single.layer, 0.0), found)
            self.report("float64", done + 1, len(self.exact))
        return worst

    def judge_decisions(
        self,
        exact_model: nn.Module,
        target: RuntimePass,
        records: list[list[MergeRecord]],
        rounding: dict[int, float],
    ) -> Decisions | None:
        """Level 1."""
        if not self.mergers:
            return None
        free = self.free_decisions()
        agreed = {
            layer: torch.cat([same_groups(batch[index].decided, self.part(target.assignments[index], number))
                              for number, batch in enumerate(records)])
            for index, layer in enumerate(self.mergers)
        }
        doubtful = sorted({int(image) for flags in agreed.values() for image in torch.nonzero(~flags)})
        exact_records = {image: self.observe(exact_model, image, target) for image in {*doubtful, *self.exact}}
        layers = []
        for index, layer in enumerate(self.mergers):
            layers.append(
                self.judge_layer(index, layer, agreed[layer], exact_records, target, rounding.get(layer, 0.0), free)
            )
        return Decisions(runtime="onnxruntime fp32", images=len(self.pixels), layers=tuple(layers))

    def judge_layer(
        self,
        index: int,
        layer: int,
        agreed: Tensor,
        exact_records: dict[int, list[MergeRecord]],
        target: RuntimePass,
        rounding: float,
        free: list[Tensor],
    ) -> LayerDecisions:
        assignment = target.assignments[index]
        parameters = self.parameters(layer)
        tolerance = ROUNDING_FACTOR * rounding
        excused, margins = 0, [0.0]
        for image in torch.nonzero(~agreed).flatten().tolist():
            record = exact_records[image][index]
            if parameters is not None:
                found = judge(assignment[image], record.metric[0], record.size[0], parameters, tolerance)
                excused += found.explained
                if found.explained:
                    margins.append(found.margin)
        gaps = [
            smallest_margin(exact_records[image][index].metric[0], exact_records[image][index].size[0], parameters)
            for image in self.exact
            if parameters is not None
        ]
        same = int(agreed.sum())
        smallest = min(gaps, default=float("inf"))
        return LayerDecisions(
            layer=layer,
            tokens=assignment.shape[1],
            merged=self.mergers[layer].num_merged,
            compared=len(agreed),
            agreed=same,
            excused=excused,
            unexplained=len(agreed) - same - excused,
            tolerance=tolerance,
            smallest_margin=smallest if np.isfinite(smallest) else None,
            largest_excused_margin=max(margins),
            free_running_agreement=float(same_groups(free[index], assignment).double().mean()),
        )

    def free_decisions(self) -> list[Tensor]:
        """What PyTorch decides where nothing is forced, for each merge [images, N]."""
        _, records = self.run_torch(self.merged, self.pixels, None, "PyTorch, free")
        return [torch.cat([batch[index].decided for batch in records]) for index in range(len(self.mergers))]

    def part(self, values: Tensor, number: int) -> Tensor:
        return values[number * self.batch : (number + 1) * self.batch]

    def compare_arithmetic(
        self,
        precision: str,
        target: RuntimePass,
        torch_forced: dict[str, Tensor],
        images: Sequence[int],
        exact_model: nn.Module,
    ) -> list[Arithmetic]:
        """Level 2, on ``images`` of the passes."""
        chosen = list(images)
        forced = [assignment[chosen] for assignment in target.assignments]
        exact, _ = self.run_torch(exact_model, self.pixels[chosen], forced, "float64, forced")
        found = []
        for name in self.outputs:
            reference = exact[name]
            scale = float(reference.abs().max())
            error = float((target.outputs[name][chosen].double() - reference).abs().max())
            torch_error = float((torch_forced[name][chosen].double() - reference).abs().max())
            difference = float((target.outputs[name][chosen].double() - torch_forced[name][chosen].double()).abs().max())
            limit = 2 * torch_error + _unit_in_the_last_place(scale, precision)
            relative = difference / scale if scale else difference
            within = precision != "fp32" or relative <= FP32_RELATIVE_LIMIT
            found.append(
                Arithmetic(
                    output=name,
                    precision=precision,
                    runtime="onnxruntime",
                    images=len(chosen),
                    error=error,
                    torch_error=torch_error,
                    limit=limit,
                    scale=scale,
                    difference_to_torch=relative,
                    passed=error <= limit and within,
                )
            )
        return found

    def check_reduced(
        self, precision: str, path: Path, exact_model: nn.Module, free: dict[str, Tensor], base: dict[str, Tensor]
    ) -> tuple[list[Arithmetic], Decisions, list[Cosine], dict[str, float]]:
        """A graph of reduced precision: level 2 judged; its decisions and the task reported."""
        pixels, chosen = self.pixels[self.reduced], self.reduced
        target = self.run_runtime(path, precision, pixels)
        plain = copy.deepcopy(self.merged).to(TORCH_TYPES[precision])
        step = f"PyTorch {precision}, forced"
        whole, self.pixels = self.pixels, pixels
        try:
            torch_forced, records = self.run_torch(plain, pixels, target.assignments, step)
            arithmetic = self.compare_arithmetic(precision, target, torch_forced, range(len(chosen)), exact_model)
        finally:
            self.pixels = whole
        layers = self.report_reduced(target, records)
        decisions = Decisions(runtime=f"onnxruntime {precision}", images=len(chosen), layers=layers)
        name = f"onnxruntime {precision}"
        task, top1 = self.compare_task(name, target.outputs, free, base, chosen)
        return arithmetic, decisions, task, top1

    def report_reduced(self, target: RuntimePass, records: list[list[MergeRecord]]) -> tuple[LayerDecisions, ...]:
        layers = []
        for index, layer in enumerate(self.mergers):
            decided = torch.cat([batch[index].decided for batch in records])
            same = same_groups(decided, target.assignments[index])
            layers.append(
                LayerDecisions(
                    layer=layer,
                    tokens=decided.shape[1],
                    merged=self.mergers[layer].num_merged,
                    compared=len(same),
                    agreed=int(same.sum()),
                    excused=0,
                    unexplained=int((~same).sum()),
                    tolerance=0.0,
                    smallest_margin=None,
                    largest_excused_margin=0.0,
                    free_running_agreement=float(same.double().mean()),
                )
            )
        return tuple(layers)

    def compare_task(
        self,
        name: str,
        outputs: dict[str, Tensor],
        free: dict[str, Tensor],
        base: dict[str, Tensor],
        chosen: Sequence[int],
    ) -> tuple[list[Cosine], dict[str, float]]:
        """Level 3: the runtime against the merged and the unmerged model of PyTorch."""
        found, top1 = [], {}
        rows = list(chosen)
        for against, reference in (("merged", free), ("unmerged", base)):
            for output in self.outputs:
                ours, theirs = task_vectors(output, outputs[output]), task_vectors(output, reference[output][rows])
                for vector, value in ours.items():
                    cosine = cosines(value, theirs[vector])
                    found.append(_cosine(vector, name, against, cosine))
                if output == "logits":
                    same = outputs[output].argmax(-1) == reference[output][rows].argmax(-1)
                    top1[f"{name} against {against}"] = float(same.double().mean())
        return found, top1


def _cosine(vector: str, model: str, against: Any, values: Tensor) -> Cosine:
    return Cosine(
        vector=vector, model=model, against=against, mean=float(values.mean()), minimum=float(values.min())
    )


def _rounding(single: MergeRecord, double: MergeRecord, parameters: MergeParameters) -> float:
    prefix = parameters.num_protected
    size = single.size[:, prefix:, 0]
    similarity, energy = score_tokens(single.metric[:, prefix:].float(), size, parameters)
    exact_similarity, exact_energy = score_tokens(double.metric[:, prefix:].double(), size.double(), parameters)
    real = torch.isfinite(energy) & torch.isfinite(exact_energy)
    return max(
        float((similarity.double() - exact_similarity).abs().max()),
        float((energy.double() - exact_energy)[real].abs().max()) if real.any() else 0.0,
    )


def _unit_in_the_last_place(scale: float, precision: str) -> float:
    epsilon = torch.finfo(TORCH_TYPES[precision]).eps
    return float(2.0 ** np.floor(np.log2(scale)) * epsilon) if scale > 0 else 0.0


def _verdict(decisions: Decisions | None, arithmetic: Sequence[Arithmetic]) -> tuple[Any, str]:
    if decisions is not None and decisions.unexplained:
        first = next(layer for layer in decisions.layers if layer.unexplained)
        return "fail", (
            f"{decisions.unexplained} merge decisions differ from PyTorch beyond rounding, "
            f"the first in layer {first.layer} ({first.unexplained} of {first.compared} images)"
        )
    for record in arithmetic:
        if not record.passed:
            return "fail", (
                f"{record.output} in {record.precision} is {record.error:.3g} from float64 with the same decisions; "
                f"{record.limit:.3g} is allowed (2x PyTorch's own error), and {record.difference_to_torch:.3g} of the "
                f"largest output from PyTorch"
            )
    return "pass", "every decision agrees or is within rounding, and the arithmetic is as exact as PyTorch's"
