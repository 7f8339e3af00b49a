"""Samples through a runtime: tensors in, tensors out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pitome.runtime import Array, RunResult, Runtime

if TYPE_CHECKING:
    from torch import Tensor

    from pitome.runtime.pytorch import PyTorchRuntime
    from pitome.validate.samples import Samples

Advance = Callable[[], None]
"""Called after each batch."""


@dataclass(frozen=True)
class Run:
    """What a runtime gave for some samples, in order."""

    outputs: dict[str, Tensor]
    """Output name -> [n, ...]."""
    assignments: tuple[Tensor, ...]
    """For each merge [n, N] int32: the runtime's own decisions, also where others were forced."""


def arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """Inputs as a runtime takes them."""
    return {name: value.numpy() for name, value in tensors.items()}


def run_batch(runtime: Runtime, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The outputs of one batch, each [B, ...] float32 whatever the runtime's precision is."""
    import torch

    found = runtime.run(arrays(inputs)).outputs
    return {name: torch.from_numpy(value).float() for name, value in found.items()}


def run_samples(runtime: Runtime, samples: Samples, batch: int, advance: Advance | None = None) -> Run:
    """Run all samples, ``batch`` at a time."""
    return _joined((runtime.run(arrays(part)) for part in samples.batches(batch)), advance)


def run_forced(
    runtime: PyTorchRuntime,
    samples: Samples,
    batch: int,
    forced: Sequence[Tensor],
    advance: Advance | None = None,
) -> Run:
    """The same with decisions [n, N] int32 for each merge that are applied in place of the model's own."""

    def results() -> Iterator[RunResult]:
        for index, part in enumerate(samples.batches(batch)):
            rows = slice(index * batch, (index + 1) * batch)
            yield runtime.run(arrays(part), [decided[rows].numpy() for decided in forced])

    return _joined(results(), advance)


def _joined(results: Iterable[RunResult], advance: Advance | None) -> Run:
    import torch

    parts = []
    for result in results:
        parts.append(result)
        if advance is not None:
            advance()
    names = parts[0].outputs
    return Run(
        {name: torch.cat([torch.from_numpy(part.outputs[name]) for part in parts]) for name in names},
        tuple(
            torch.cat([torch.from_numpy(decided) for decided in each])
            for each in zip(*(part.assignments for part in parts), strict=True)
        ),
    )
