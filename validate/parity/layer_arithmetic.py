"""Where wrong arithmetic first arises: what flows from block to block, and every layer norm by itself.

The largest error of an output says that something is wrong, not where, and it is a poor measure of a small
systematic error: the largest of many rounding errors hides it. The root mean square over all elements does
not, and what stands in front of each layer norm tells between which two of them it came in.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from pitome.errors import ParityError
from pitome.export.debug_graph import Probes, write_probe_graph
from pitome.export.onnx import TORCH_TYPES
from pitome.models.text import ATTENTION_MASK
from pitome.observe import MergeRecord
from pitome.runtime import CPU, Device
from pitome.runtime.onnxruntime import OnnxRuntime
from pitome.validate.parity.module_trace import NormCall, trace
from pitome.validate.parity.output_arithmetic import unit_in_the_last_place
from pitome.validate.parity.passes import Progress
from pitome.validate.parity.records import LayerArithmetic, MetricArithmetic
from pitome.validate.runs import arrays
from pitome.validate.samples import Samples


@dataclass
class _MeanSquare:
    total: float = 0.0
    count: int = 0

    def add(self, values: Tensor) -> None:
        self.total += float(values.double().square().sum())
        self.count += values.numel()

    @property
    def root(self) -> float:
        return sqrt(self.total / self.count) if self.count else 0.0


@dataclass(frozen=True)
class InnerArithmetic:
    """What was found inside; no layers where graph and model do not have the same layer norms."""

    layers: tuple[LayerArithmetic, ...] = ()
    metrics: tuple[MetricArithmetic, ...] = ()


@dataclass
class _Metric:
    layer: int
    error: _MeanSquare = field(default_factory=_MeanSquare)
    torch_error: _MeanSquare = field(default_factory=_MeanSquare)
    scale: _MeanSquare = field(default_factory=_MeanSquare)


class _Place:
    """What is summed up for one layer norm over all samples."""

    def __init__(self, call: NormCall) -> None:
        self.name, self.layer, self.between = call.name, call.layer, call.between
        self.error, self.torch_error, self.scale = _MeanSquare(), _MeanSquare(), _MeanSquare()
        self.norm_error, self.norm_torch_error, self.norm_unit = _MeanSquare(), _MeanSquare(), _MeanSquare()


def layer_arithmetic(
    path: Path,
    merged: nn.Module,
    precision: str,
    samples: Samples,
    *,
    factor: float,
    threads: int = 2,
    device: Device = CPU,
    progress: Progress | None = None,
) -> InnerArithmetic:
    """Compare what a graph computes around each of its layer norms and in front of each merge with float64.

    All with the graph's own decisions, one sample at a time.

    Args:
        path: exported graph, float32 or float16.
        merged: the model, float32.
        precision: of the graph.
        samples: a few; float64 is slow.
        factor: how many times PyTorch's own root mean square error is allowed.
        threads: of onnxruntime.
        device: where it runs.
        progress: called with (step, done, total).

    Returns:
        One record for each layer norm and each merge, in order.

    Raises:
        ParityError: a merge decides on something of another shape than in the model.
    """
    dtype = TORCH_TYPES[precision]
    plain = merged if dtype == torch.float32 else copy.deepcopy(merged).to(dtype)
    double = copy.deepcopy(merged).double()
    runtime, probes = _open(path, precision, threads, device)
    places: list[_Place] = []
    metrics: list[_Metric] = []
    for done in range(len(samples)):
        if progress is not None:
            progress(f"layers of {precision}", done, len(samples))
        row = samples.rows([done])
        found = runtime.run(arrays(row.inputs))
        values = {name: torch.from_numpy(value) for name, value in found.outputs.items()}
        decided = [values[name] for name in probes.assignments]
        forced = decided or None  # pairs that are constants need no forcing
        single, rounded_merges = trace(plain, row.inputs, forced)
        exact, exact_merges = trace(double, row.inputs, forced)
        kept = _kept_rows(row, decided)
        metrics = metrics or [_Metric(record.layer) for record in exact_merges[: len(decided)]]
        merges = zip(metrics, probes.metrics, rounded_merges, exact_merges, strict=False)
        for index, (metric, name, rounded_merge, reference_merge) in enumerate(merges):
            rows = kept[index] if kept else slice(None)
            _check_shape(path, values[name], reference_merge)
            metric.error.add((values[name].double() - reference_merge.metric)[rows])
            metric.torch_error.add((rounded_merge.metric.double() - reference_merge.metric)[rows])
            metric.scale.add(reference_merge.metric[rows])
        if not _same_norms(probes, values, exact):
            continue  # a rewrite may have taken them apart; the merges are measured all the same
        places = places or [_Place(call) for call in exact]
        with torch.no_grad():
            for place, pair, rounded, reference in zip(places, probes.norms, single, exact, strict=True):
                _add(place, values[pair[0]], values[pair[1]], rounded, reference, kept)
    return InnerArithmetic(
        tuple(_record(place, precision, factor) for place in places),
        tuple(_metric_record(metric, precision, factor) for metric in metrics),
    )


def _open(path: Path, precision: str, threads: int, device: Device) -> tuple[OnnxRuntime, Probes]:
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=path.parent) as folder:
        probe = path.with_name(f"{Path(folder).name}.onnx")
        try:
            probes = write_probe_graph(path, probe)
            return OnnxRuntime(probe, precision, threads=threads, device=device), probes
        finally:
            probe.unlink(missing_ok=True)


def _check_shape(path: Path, metric: Tensor, reference: MergeRecord) -> None:
    if metric.shape != reference.metric.shape:
        raise ParityError(
            f"parity of {path.name}",
            f"the merge in layer {reference.layer} decides on numbers of shape {tuple(metric.shape)}, in the "
            f"model on {tuple(reference.metric.shape)}",
            "Export the same model that is checked",
        )


def _same_norms(probes: Probes, values: dict[str, Tensor], exact: Sequence[NormCall]) -> bool:
    return len(probes.norms) == len(exact) and all(
        values[name].shape == call.input.shape for (name, _), call in zip(probes.norms, exact, strict=True)
    )


def _kept_rows(row: Samples, decided: Sequence[Tensor]) -> list[Tensor]:
    """Before the first merge and after each: bool [1, N], False for padding, whose values mean nothing."""
    mask = row.inputs.get(ATTENTION_MASK)
    if mask is None:
        return []
    kept = [mask > 0]
    for assignment in decided:
        slots = assignment.long()
        size = torch.zeros(1, int(slots.max()) + 1).scatter_add(1, slots, kept[-1].float())
        kept.append(size > 0)
    return kept


def _add(
    place: _Place, given: Tensor, found: Tensor, rounded: NormCall, reference: NormCall, kept: list[Tensor]
) -> None:
    def chosen(values: Tensor) -> Tensor:
        for rows in [kept[min(reference.merges, len(kept) - 1)], kept[0]] if kept else []:
            if values.dim() == 3 and rows.shape[1] == values.shape[1]:
                return values[rows]
        return values

    place.error.add(chosen(given.double() - reference.input))
    place.torch_error.add(chosen(rounded.input.double() - reference.input))
    place.scale.add(chosen(reference.input))

    module = reference.module
    exact = layer_norm(given.double(), module.normalized_shape, module.weight, module.bias, module.eps)
    place.norm_error.add(chosen(found.double() - exact))
    place.norm_torch_error.add(chosen(rounded.module(given).double() - exact))
    # A variance as mean of squares minus square of mean, which is how onnxruntime takes it, loses digits
    # where the mean is large; that is rounding too.
    mean, variance = given.double().mean(-1, keepdim=True), given.double().var(-1, keepdim=True, correction=0)
    lost = 1 + mean.square() / (variance + module.eps)
    place.norm_unit.add(chosen(exact * lost) * torch.finfo(given.dtype).eps)


def _metric_record(metric: _Metric, precision: str, factor: float) -> MetricArithmetic:
    limit = factor * metric.torch_error.root + unit_in_the_last_place(metric.scale.root, precision)
    return MetricArithmetic(
        precision=precision,
        layer=metric.layer,
        error=metric.error.root,
        torch_error=metric.torch_error.root,
        limit=limit,
        passed=metric.error.root <= limit,
    )


def _record(place: _Place, precision: str, factor: float) -> LayerArithmetic:
    limit = factor * place.torch_error.root + unit_in_the_last_place(place.scale.root, precision)
    norm_limit = factor * place.norm_torch_error.root + place.norm_unit.root
    return LayerArithmetic(
        precision=precision,
        norm=place.name,
        layer=place.layer,
        between=place.between,
        error=place.error.root,
        torch_error=place.torch_error.root,
        limit=limit,
        norm_error=place.norm_error.root,
        norm_torch_error=place.norm_torch_error.root,
        norm_limit=norm_limit,
        passed=place.error.root <= limit and place.norm_error.root <= norm_limit,
    )
