"""The forward passes that judge an engine: PyTorch on the same device, free, forced, and in float64."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pitome.errors import ParityError
from pitome.export.onnx import TORCH_TYPES
from pitome.models.text import ATTENTION_MASK
from pitome.observe import MergeRecord, observe_merges
from pitome.parameters import MergeParameters
from pitome.validate.parity.decisions import Rounding, measure_rounding
from pitome.validate.parity.passes import Passes, TorchPass, merging_layers
from pitome.validate.parity.runtime_pass import RuntimePass
from pitome.validate.samples import CheckedInputs, Samples


def run_passes(
    merged: nn.Module,
    unmerged: nn.Module,
    runtime: Mapping[str, RuntimePass],
    outputs: Sequence[str],
    inputs: CheckedInputs,
    *,
    device: str = "cuda",
    batch: int = 8,
) -> Passes:
    """Run PyTorch beside what a runtime computed; every input runs in float64 too.

    Args:
        merged: compressed model, float32, on ``device``.
        unmerged: the model it was made from, on ``device``.
        runtime: precision -> outputs and decisions over ``inputs.all``, on the CPU; "fp32" is needed.
        outputs: fields of the model's output.
        inputs: what ran, on the CPU.
        device: where PyTorch runs.
        batch: inputs at a time.

    Raises:
        ParityError: the runtime made another number of merges than the model has.
    """
    layers = merging_layers(merged)
    for precision, found in runtime.items():
        if len(found.assignments) != len(layers):
            raise ParityError(
                f"parity of the {precision} engine",
                f"it returns the decisions of {len(found.assignments)} merges, the model has {len(layers)}",
                "Build the engine from the model that it is checked against",
            )
    run = _Runner(tuple(outputs), inputs.all, device, batch, layers)
    double = copy.deepcopy(merged).double()
    forced: dict[str, TorchPass] = {}
    forced_exact: dict[str, TorchPass] = {}
    for precision, found in runtime.items():
        plain = merged if precision == "fp32" else copy.deepcopy(merged).to(TORCH_TYPES[precision])
        forced[precision] = run.model(plain, found.assignments)
        forced_exact[precision] = run.model(double, found.assignments)
    records, rounding = run.examine(merged, double, runtime["fp32"].assignments)
    return Passes(
        layers=layers,
        exact=list(range(len(inputs.all))),
        num_real=len(inputs.real),
        runtime=dict(runtime),
        forced=forced,
        forced_exact=forced_exact,
        free=run.model(merged),
        unmerged=run.model(unmerged),
        rounding=rounding,
        exact_records=records,
        mask=run.samples.inputs.get(ATTENTION_MASK),
    )


@dataclass(frozen=True)
class _Runner:
    outputs: tuple[str, ...]
    samples: Samples
    device: str
    batch: int
    layers: Mapping[int, MergeParameters]

    def parts(self) -> list[slice]:
        return [slice(start, start + self.batch) for start in range(0, len(self.samples), self.batch)]

    def model(self, model: nn.Module, forced: Sequence[Tensor] | None = None) -> TorchPass:
        """All inputs; what comes back lies on the CPU."""
        outputs: list[dict[str, Tensor]] = []
        decided: list[list[Tensor]] = []
        for part in self.parts():
            output, records = self.observe(model, part, forced, keep_metric=False)
            outputs.append({name: getattr(output, name).cpu() for name in self.outputs})
            decided.append([record.decided.cpu() for record in records])
        joined = {name: torch.cat([part[name] for part in outputs]) for name in self.outputs}
        return TorchPass(joined, tuple(torch.cat(parts) for parts in zip(*decided, strict=True)))

    def observe(
        self, model: nn.Module, part: slice, forced: Sequence[Tensor] | None, keep_metric: bool = True
    ) -> tuple[nn.Module, list[MergeRecord]]:
        dtype = next(model.parameters()).dtype
        rows = self.samples.rows(part).inputs
        own = None if forced is None else [assignment[part].to(self.device) for assignment in forced]
        with torch.no_grad(), observe_merges(own, keep_metric=keep_metric) as observer:
            output = model(**{name: self.placed(value, dtype) for name, value in rows.items()})
        return output, observer.records

    def placed(self, value: Tensor, dtype: torch.dtype) -> Tensor:
        return value.to(self.device, dtype) if value.is_floating_point() else value.to(self.device)

    def examine(
        self, single: nn.Module, double: nn.Module, forced: Sequence[Tensor]
    ) -> tuple[dict[int, list[MergeRecord]], dict[int, Rounding]]:
        """Float64 records of every input, and how far float32 is from them with the same decisions."""
        records: dict[int, list[MergeRecord]] = {image: [] for image in range(len(self.samples))}
        rounding: dict[int, Rounding] = {}
        for part in self.parts():
            _, rounded = self.observe(single, part, forced)
            _, exact = self.observe(double, part, forced)
            for one, other in zip(rounded, exact, strict=True):
                found = measure_rounding(one.metric, other.metric, one.size, self.layers[one.layer])
                rounding[one.layer] = found.largest(rounding.get(one.layer, found))
                tensors = [tensor.cpu() for tensor in (other.metric, other.size, other.decided)]
                for row, image in enumerate(range(len(self.samples))[part]):
                    records[image].append(
                        MergeRecord(other.layer, *(tensor[row : row + 1] for tensor in tensors))
                    )
        return records, rounding
