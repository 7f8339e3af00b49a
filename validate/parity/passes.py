"""The forward passes that parity compares: each model runs once, and no two large copies at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from pitome.errors import InputError, ParityError
from pitome.export.onnx import TORCH_TYPES
from pitome.merged_layers import merged_layers_of
from pitome.models.text import ATTENTION_MASK
from pitome.observe import MergeRecord, observe_merges
from pitome.parameters import MergeParameters
from pitome.validate.parity.decisions import Rounding, measure_rounding, same_groups
from pitome.validate.parity.runtime_pass import RuntimePass, run_graph
from pitome.validate.samples import CheckedInputs, Samples

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class TorchPass:
    """One PyTorch model over some inputs."""

    outputs: dict[str, Tensor]
    decided: tuple[Tensor, ...]
    """For each merge [inputs, N] int32: the model's own decisions, also where others were forced."""


@dataclass(frozen=True)
class ReducedPass:
    """PyTorch in a precision that no runtime here has, over the ``exact`` inputs."""

    free: TorchPass
    """In that precision, nothing forced."""
    single: TorchPass
    """Float32 with its decisions."""
    double: TorchPass
    """Float64 with its decisions."""


@dataclass(frozen=True)
class Passes:
    """All that was run. ``exact`` indexes the inputs that ran in float64 and in reduced precision."""

    layers: dict[int, MergeParameters]
    """Layers that decide and their parameters; none where the pairs are constants."""
    exact: list[int]
    num_real: int
    """The first inputs are photos or sentences, the others random."""
    runtime: dict[str, RuntimePass]
    forced: dict[str, TorchPass]
    """PyTorch in each precision with that runtime's decisions."""
    forced_exact: dict[str, TorchPass]
    """Float64 with that runtime's decisions."""
    free: TorchPass
    unmerged: TorchPass
    rounding: dict[int, Rounding]
    exact_records: dict[int, list[MergeRecord]]
    """Input -> its merges in float64, decisions forced; for doubtful inputs and ``exact``."""
    reduced: dict[str, ReducedPass] = field(default_factory=dict)
    """Precision -> PyTorch in it."""
    mask: Tensor | None = None
    """Of texts: [inputs, L] int64, 0 for padding."""


def run_passes(
    merged: nn.Module,
    unmerged: nn.Module,
    graphs: Mapping[str, Path],
    outputs: Sequence[str],
    inputs: CheckedInputs,
    *,
    threads: int,
    batch: int,
    num_exact: int,
    torch_precisions: Sequence[str] = (),
    progress: Progress | None = None,
) -> Passes:
    """Run every graph on onnxruntime and its counterparts in PyTorch; arguments as ``check_parity``.

    Raises:
        InputError: a text of padding only.
        ParityError: a graph with another number of merges than the model.
    """
    _refuse_padding_only(inputs.all)
    layers = merging_layers(merged)
    run = _Runner(merged, tuple(outputs), inputs.all, threads, batch, progress, len(layers))
    exact = inputs.subset(num_exact)
    everything = list(range(len(run.samples)))

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
    reduced = {precision: run.reduced(double, precision, exact) for precision in torch_precisions}
    records, rounding = run.examine(double, runtime["fp32"], forced["fp32"], exact, layers)
    return Passes(
        layers,
        exact,
        len(inputs.real),
        runtime,
        forced,
        forced_exact,
        free,
        base,
        rounding,
        records,
        reduced,
        run.samples.inputs.get(ATTENTION_MASK),
    )


def _refuse_padding_only(samples: Samples) -> None:
    """A graph can't look at its mask and returns NaN; PyTorch refuses it, but runs later."""
    mask = samples.inputs.get(ATTENTION_MASK)
    if mask is not None and not bool((mask > 0).any(dim=1).all()):
        raise InputError(
            "parity on texts",
            f"{int((mask <= 0).all(dim=1).sum())} of {len(samples)} texts are padding only",
            "Leave empty texts out",
        )


def merging_layers(merged: nn.Module) -> dict[int, MergeParameters]:
    """Layer -> parameters of its merge, in order; none where the pairs are constants."""
    _, blocks = merged_layers_of(merged)
    return {
        index: merger.parameters
        for index, merger in enumerate(blocks.mergers)
        if merger is not None and merger.parameters is not None
    }


def as_precise_as(model: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Inputs whose floats have the precision of a model's parameters."""
    dtype = next(model.parameters()).dtype
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs.items()}


def _reduced(graphs: Mapping[str, Path]) -> list[str]:
    return [precision for precision in graphs if precision not in ("fp32", "bf16")]  # no bfloat16 on a CPU


@dataclass
class _Runner:
    merged: nn.Module
    outputs: tuple[str, ...]
    samples: Samples
    threads: int
    batch: int
    progress: Progress | None
    num_decided: int

    def report(self, step: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(step, done, total)

    def graph(self, path: Path, precision: str, chosen: Sequence[int]) -> RuntimePass:
        samples = self.samples.rows(chosen)
        step, total, done = f"onnxruntime {precision}", -(-len(samples) // self.batch), 0

        def advance() -> None:
            nonlocal done
            done += 1
            self.report(step, done, total)

        self.report(step, 0, total)
        found = run_graph(path, samples, self.batch, self.threads, advance)
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
        parts = list(self.samples.rows(chosen).batches(self.batch))
        total = len(parts)
        outputs: list[dict[str, Tensor]] = []
        decided: list[list[Tensor]] = []
        for index, part in enumerate(parts):
            self.report(step, index, total)
            rows = slice(index * self.batch, (index + 1) * self.batch)
            own = [assignment[rows] for assignment in forced] if forced else None
            with torch.no_grad(), observe_merges(own, keep_metric=False) as observer:
                output = model(**as_precise_as(model, part))
            outputs.append({name: getattr(output, name) for name in self.outputs})
            decided.append([record.decided for record in observer.records if self.num_decided])
        self.report(step, total, total)
        joined = {name: torch.cat([part[name] for part in outputs]) for name in self.outputs}
        return TorchPass(joined, tuple(torch.cat(parts) for parts in zip(*decided, strict=True)))

    def reduced(self, double: nn.Module, precision: str, exact: Sequence[int]) -> ReducedPass:
        """A precision by itself: its own decisions, and what they lead to in float32 and float64."""
        plain = copy.deepcopy(self.merged).to(TORCH_TYPES[precision])
        free = self.torch(plain, exact, f"PyTorch {precision}")
        del plain
        return ReducedPass(
            free,
            self.torch(self.merged, exact, f"PyTorch fp32, decisions of {precision}", free.decided),
            self.torch(double, exact, f"float64, decisions of {precision}", free.decided),
        )

    def examine(
        self,
        double: nn.Module,
        runtime: RuntimePass,
        forced: TorchPass,
        exact: list[int],
        layers: Mapping[int, MergeParameters],
    ) -> tuple[dict[int, list[MergeRecord]], dict[int, Rounding]]:
        """Float64 records of all inputs with a differing decision, and the rounding over all of ``exact``."""
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
        own = [assignment[image : image + 1] for assignment in runtime.assignments]
        with torch.no_grad(), observe_merges(own) as observer:
            model(**as_precise_as(model, self.samples.rows([image]).inputs))
        return observer.records
