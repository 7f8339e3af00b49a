"""The forward passes that parity compares: each model runs once, and no two large copies at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pitome.errors import InputError, ParityError
from pitome.export.onnx import TORCH_TYPES
from pitome.merged_layers import merged_layers_of
from pitome.models.text import ATTENTION_MASK
from pitome.observe import MergeRecord
from pitome.parameters import MergeParameters
from pitome.runtime.pytorch import PyTorchRuntime
from pitome.validate.parity.decisions import same_groups
from pitome.validate.parity.rounding import Rounding, measure_rounding
from pitome.validate.parity.targets import Target
from pitome.validate.runs import Advance, Run, arrays, run_forced, run_samples
from pitome.validate.samples import CheckedInputs, Samples

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ReducedPass:
    """PyTorch in a precision that no runtime here has, over the ``exact`` inputs."""

    free: Run
    """In that precision, nothing forced."""
    single: Run
    """Float32 with its decisions."""
    double: Run
    """Float64 with its decisions."""


@dataclass(frozen=True)
class Passes:
    """All that was run. ``exact`` indexes the inputs that ran in float64 and in reduced precision."""

    layers: dict[int, MergeParameters]
    """Layers that decide and their parameters; none where the pairs are constants."""
    exact: list[int]
    num_real: int
    """The first inputs are photos or sentences, the others random."""
    runtime_name: str
    """What is checked runs on it."""
    runtime: dict[str, Run]
    """By precision: "fp32" over all inputs, the others over ``exact``."""
    forced: dict[str, Run]
    """PyTorch in each precision with that runtime's decisions."""
    forced_exact: dict[str, Run]
    """Float64 with that runtime's decisions."""
    free: Run
    unmerged: Run
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
    targets: Mapping[str, Target],
    outputs: Sequence[str],
    inputs: CheckedInputs,
    *,
    batch: int,
    num_exact: int,
    torch_precisions: Sequence[str] = (),
    progress: Progress | None = None,
) -> Passes:
    """Run every target and its counterparts in PyTorch, which run where the models' parameters lie.

    Args:
        merged: compressed model, float32.
        unmerged: the model it was made from, on the same device.
        targets: precision -> what is checked, all on one runtime; "fp32" is needed.
        outputs: fields of the model's output.
        inputs: what to run, on the CPU.
        batch: inputs at a time.
        num_exact: inputs that also run in float64 and in reduced precision.
        torch_precisions: run in PyTorch too, by themselves.
        progress: called with (step, done, total).

    Raises:
        InputError: a text of padding only.
        ParityError: a target with another number of merges than the model.
    """
    _refuse_padding_only(inputs.all)
    layers = merging_layers(merged)
    run = _Runner(merged, tuple(outputs), inputs.all, batch, progress, len(layers))
    exact = inputs.subset(num_exact)
    everything = list(range(len(run.samples)))
    reduced = [precision for precision in targets if precision != "fp32"]

    runtime = {"fp32": run.target(targets["fp32"], "fp32", everything)}
    for precision in reduced:
        runtime[precision] = run.target(targets[precision], precision, exact)
    forced = {
        "fp32": run.torch(merged, everything, "PyTorch fp32, forced decisions", runtime["fp32"].assignments)
    }
    free = run.torch(merged, everything, "PyTorch fp32")
    base = run.torch(unmerged, everything, "PyTorch fp32, unmerged")
    for precision in reduced:
        plain = copy.deepcopy(merged).to(TORCH_TYPES[precision])
        step = f"PyTorch {precision}, forced decisions"
        forced[precision] = run.torch(plain, exact, step, runtime[precision].assignments)
        del plain

    double = copy.deepcopy(merged).double()
    chosen = tuple(assignment[exact] for assignment in runtime["fp32"].assignments)
    forced_exact = {"fp32": run.torch(double, exact, "float64, forced decisions", chosen)}
    for precision in reduced:
        step = f"float64, decisions of {precision}"
        forced_exact[precision] = run.torch(double, exact, step, runtime[precision].assignments)
    alone = {precision: run.reduced(double, precision, exact) for precision in torch_precisions}
    records, rounding = run.examine(double, runtime["fp32"], forced["fp32"], exact, layers)
    return Passes(
        layers=layers,
        exact=exact,
        num_real=len(inputs.real),
        runtime_name=targets["fp32"].runtime,
        runtime=runtime,
        forced=forced,
        forced_exact=forced_exact,
        free=free,
        unmerged=base,
        rounding=rounding,
        exact_records=records,
        reduced=alone,
        mask=run.samples.inputs.get(ATTENTION_MASK),
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


@dataclass
class _Runner:
    merged: nn.Module
    outputs: tuple[str, ...]
    samples: Samples
    batch: int
    progress: Progress | None
    num_decided: int

    def report(self, step: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(step, done, total)

    def steps(self, step: str, samples: Samples) -> Advance:
        """Says after each batch how far a step is; that it begins is said here."""
        total, done = -(-len(samples) // self.batch), 0

        def advance() -> None:
            nonlocal done
            done += 1
            self.report(step, done, total)

        self.report(step, 0, total)
        return advance

    def target(self, target: Target, precision: str, chosen: Sequence[int]) -> Run:
        samples = self.samples.rows(chosen)
        found = target.run(samples, self.batch, self.steps(f"{target.runtime} {precision}", samples))
        if len(found.assignments) != self.num_decided:
            raise ParityError(
                f"parity of {target.file}",
                f"it has {len(found.assignments)} EnergyMerge nodes, the model has {self.num_decided}",
                "Export the same model that is checked",
            )
        return found

    def torch(
        self, model: nn.Module, chosen: Sequence[int], step: str, forced: Sequence[Tensor] | None = None
    ) -> Run:
        samples = self.samples.rows(chosen)
        runtime = PyTorchRuntime(model, self.outputs, assignments=self.num_decided > 0)
        advance = self.steps(step, samples)
        if not forced:  # pairs that are constants need no forcing
            return run_samples(runtime, samples, self.batch, advance)
        return run_forced(runtime, samples, self.batch, forced, advance)

    def reduced(self, double: nn.Module, precision: str, exact: Sequence[int]) -> ReducedPass:
        """A precision by itself: its own decisions, and what they lead to in float32 and float64."""
        plain = copy.deepcopy(self.merged).to(TORCH_TYPES[precision])
        free = self.torch(plain, exact, f"PyTorch {precision}")
        del plain
        return ReducedPass(
            free,
            self.torch(self.merged, exact, f"PyTorch fp32, decisions of {precision}", free.assignments),
            self.torch(double, exact, f"float64, decisions of {precision}", free.assignments),
        )

    def examine(
        self,
        double: nn.Module,
        runtime: Run,
        forced: Run,
        exact: list[int],
        layers: Mapping[int, MergeParameters],
    ) -> tuple[dict[int, list[MergeRecord]], dict[int, Rounding]]:
        """Float64 records of all inputs with a differing decision, and the rounding over all of ``exact``."""
        if not layers:
            return {}, {}
        doubtful = {
            int(image)
            for ours, theirs in zip(forced.assignments, runtime.assignments, strict=True)
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

    def observe(self, model: nn.Module, image: int, runtime: Run) -> list[MergeRecord]:
        own = [assignment[image : image + 1].numpy() for assignment in runtime.assignments]
        inputs = arrays(self.samples.rows([image]).inputs)
        return PyTorchRuntime(model, self.outputs).observe(inputs, own)
