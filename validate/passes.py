"""The forward passes that parity compares: each model runs once, and no two large copies at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from export.onnx import TORCH_TYPES
from pitome.errors import ParityError
from pitome.merged_layers import MergedLayers
from pitome.methods import EnergyMerger
from pitome.observe import MergeRecord, observe_merges
from pitome.parameters import MergeParameters
from validate.decisions import Rounding, measure_rounding, same_groups
from validate.runtime_pass import RuntimePass, run_graph

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CheckedImages:
    """What parity is checked on: [n, 3, H, W] float32 each."""

    random: Tensor
    photos: Tensor

    @property
    def all(self) -> Tensor:
        """Photos first."""
        return torch.cat([self.photos, self.random])

    def subset(self, count: int) -> list[int]:
        """Indices into ``all``: half photos, half noise where there are both."""
        photos, noise = len(self.photos), len(self.random)
        of_photos = min(photos, max(count // 2, count - noise))
        return [*range(of_photos), *range(photos, photos + min(noise, count - of_photos))]


@dataclass(frozen=True)
class TorchPass:
    """One PyTorch model over some images."""

    outputs: dict[str, Tensor]
    decided: tuple[Tensor, ...]
    """For each merge [images, N] int32: the model's own decisions, also where others were forced."""


@dataclass(frozen=True)
class Passes:
    """All that was run. ``exact`` indexes the images that ran in float64 and in reduced precision."""

    layers: dict[int, MergeParameters]
    """Layers that decide and their parameters; none where the pairs are constants."""
    exact: list[int]
    num_photos: int
    """The first images are photos, the others noise."""
    runtime: dict[str, RuntimePass]
    forced: dict[str, TorchPass]
    """PyTorch in each precision with that runtime's decisions."""
    forced_exact: dict[str, TorchPass]
    """Float64 with that runtime's decisions."""
    free: TorchPass
    unmerged: TorchPass
    rounding: dict[int, Rounding]
    exact_records: dict[int, list[MergeRecord]]
    """Image -> its merges in float64, decisions forced; for doubtful images and ``exact``."""


def run_passes(
    merged: nn.Module,
    unmerged: nn.Module,
    graphs: Mapping[str, Path],
    outputs: Sequence[str],
    images: CheckedImages,
    *,
    threads: int,
    batch: int,
    num_exact: int,
    progress: Progress | None,
) -> Passes:
    """Run every graph on onnxruntime and its counterparts in PyTorch; arguments as ``check_parity``.

    Raises:
        ParityError: a graph with another number of merges than the model.
    """
    stack = next(module for module in merged.modules() if isinstance(module, MergedLayers))
    layers = {
        index: merger.parameters
        for index, merger in enumerate(stack.mergers)
        if isinstance(merger, EnergyMerger)
    }
    run = _Runner(merged, tuple(outputs), images.all, threads, batch, progress, len(layers))
    exact = images.subset(num_exact)
    everything = list(range(len(run.pixels)))

    runtime = {"fp32": run.graph(graphs["fp32"], "fp32", everything)}
    for precision in _reduced(graphs):
        runtime[precision] = run.graph(graphs[precision], precision, exact)
    forced = {
        "fp32": run.torch(merged, everything, "PyTorch fp32, forced decisions", runtime["fp32"].assignments)
    }
    free = run.torch(merged, everything, "PyTorch fp32")
    base = run.torch(unmerged, everything, "PyTorch fp32, unmerged")
    for precision in _reduced(graphs):
        plain = copy.deepcopy(merged).to(TORCH_TYPES[precision])
        step = f"PyTorch {precision}, forced decisions"
        forced[precision] = run.torch(plain, exact, step, runtime[precision].assignments)
        del plain

    double = copy.deepcopy(merged).double()
    chosen = tuple(assignment[exact] for assignment in runtime["fp32"].assignments)
    forced_exact = {"fp32": run.torch(double, exact, "float64, forced decisions", chosen)}
    for precision in _reduced(graphs):
        step = f"float64, decisions of {precision}"
        forced_exact[precision] = run.torch(double, exact, step, runtime[precision].assignments)
    records, rounding = run.examine(double, runtime["fp32"], forced["fp32"], exact, layers)
    return Passes(
        layers,
        exact,
        len(images.photos),
        runtime,
        forced,
        forced_exact,
        free,
        base,
        rounding,
        records,
    )


def _reduced(graphs: Mapping[str, Path]) -> list[str]:
    return [precision for precision in graphs if precision not in ("fp32", "bf16")]  # no bfloat16 on a CPU


@dataclass
class _Runner:
    merged: nn.Module
    outputs: tuple[str, ...]
    pixels: Tensor
    threads: int
    batch: int
    progress: Progress | None
    num_decided: int

    def report(self, step: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(step, done, total)

    def graph(self, path: Path, precision: str, chosen: Sequence[int]) -> RuntimePass:
        pixels = self.pixels[list(chosen)]
        step, total, done = f"onnxruntime {precision}", -(-len(pixels) // self.batch), 0

        def advance() -> None:
            nonlocal done
            done += 1
            self.report(step, done, total)

        self.report(step, 0, total)
        found = run_graph(path, pixels, self.batch, self.threads, advance)
        if len(found.assignments) != self.num_decided:
            raise ParityError(
                f"parity of {path.name}",
                f"it has {len(found.assignments)} EnergyMerge nodes, the model has {self.num_decided}",
                "Export the same model that is checked",
            )
        return found

    def torch(
        self, model: nn.Module, chosen: Sequence[int], step: str, forced: Sequence[Tensor] | None = None
    ) -> TorchPass:
        dtype = next(model.parameters()).dtype
        pixels = self.pixels[list(chosen)]
        total = -(-len(pixels) // self.batch)
        outputs: list[dict[str, Tensor]] = []
        decided: list[list[Tensor]] = []
        for index in range(total):
            self.report(step, index, total)
            part = slice(index * self.batch, (index + 1) * self.batch)
            own = [assignment[part] for assignment in forced] if forced else None
            with torch.no_grad(), observe_merges(own, keep_metric=False) as observer:
                output = model(pixels[part].to(dtype))
            outputs.append({name: getattr(output, name) for name in self.outputs})
            decided.append([record.decided for record in observer.records if self.num_decided])
        self.report(step, total, total)
        joined = {name: torch.cat([part[name] for part in outputs]) for name in self.outputs}
        return TorchPass(joined, tuple(torch.cat(parts) for parts in zip(*decided, strict=True)))

    def examine(
        self,
        double: nn.Module,
        runtime: RuntimePass,
        forced: TorchPass,
        exact: list[int],
        layers: Mapping[int, MergeParameters],
    ) -> tuple[dict[int, list[MergeRecord]], dict[int, Rounding]]:
        """Float64 records of all images with a differing decision, and the rounding over all of ``exact``."""
        if not layers:
            return {}, {}
        doubtful = {
            int(image)
            for ours, theirs in zip(forced.decided, runtime.assignments, strict=True)
            for image in torch.nonzero(~same_groups(ours, theirs))
        }
        records: dict[int, list[MergeRecord]] = {}
        rounding: dict[int, Rounding] = {}
        needed = sorted(doubtful | set(exact))
        for done, image in enumerate(needed):
            self.report("float64, decisions", done, len(needed))
            records[image] = self.observe(double, image, runtime)
            if image in exact:
                for single, exactly in zip(
                    self.observe(self.merged, image, runtime), records[image], strict=True
                ):
                    found = measure_rounding(single.metric, exactly.metric, single.size, layers[single.layer])
                    rounding[single.layer] = found.largest(rounding.get(single.layer, found))
        self.report("float64, decisions", len(needed), len(needed))
        return records, rounding

    def observe(self, model: nn.Module, image: int, runtime: RuntimePass) -> list[MergeRecord]:
        dtype = next(model.parameters()).dtype
        own = [assignment[image : image + 1] for assignment in runtime.assignments]
        with torch.no_grad(), observe_merges(own) as observer:
            model(self.pixels[image : image + 1].to(dtype))
        return observer.records
