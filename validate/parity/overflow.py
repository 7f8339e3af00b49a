"""Numbers that a precision can't hold: where a model first leaves it in PyTorch, whatever a graph does.

float16 ends at 65,504. A model that was trained in float32 or bfloat16 may need more, and then its float16 is
infinite or NaN in every runtime: no graph can be held against that, and another precision is the remedy.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pitome.export.onnx import TORCH_TYPES
from pitome.merged_layers import merged_layers_of
from pitome.models.text import ATTENTION_MASK
from pitome.runtime.pytorch import PyTorchRuntime
from pitome.validate.outputs import real_positions
from pitome.validate.parity.module_trace import layer_of
from pitome.validate.parity.passes import Passes
from pitome.validate.parity.records import Overflow
from pitome.validate.runs import run_samples
from pitome.validate.samples import Samples


def overflow_of(
    merged: nn.Module, precision: str, outputs: Sequence[str], samples: Samples
) -> Overflow | None:
    """Run a model in a precision, and say where its outputs stop being finite; None where they are.

    Args:
        merged: compressed, float32.
        precision: such as "fp16"; "fp32" for the model as it is.
        outputs: fields of its output.
        samples: a few; padding is not looked at.
    """
    dtype = TORCH_TYPES[precision]
    plain = merged if dtype == torch.float32 else copy.deepcopy(merged).to(dtype)
    calls, finite = _calls(plain, outputs, samples)
    if finite:
        return None
    largest = _calls(merged, outputs, samples)[0] if plain is not merged else calls
    place, name = next(
        ((index, call.name) for index, call in enumerate(calls) if not call.finite), (len(calls), None)
    )
    blocks, _ = merged_layers_of(merged)
    reached = largest[place].largest if place < len(largest) else None
    return Overflow(
        precision=precision,
        module=name,
        layer=None if name is None else layer_of(name, blocks),
        reached=None if plain is merged else reached,
        in_pytorch=True,
    )


def overflows_of(
    passes: Passes, merged: nn.Module, outputs: Sequence[str], samples: Samples
) -> tuple[Overflow, ...]:
    """Every precision whose outputs were not finite in what was run, PyTorch's or a runtime's.

    Args:
        passes: what was run.
        merged: compressed, float32.
        outputs: fields of its output.
        samples: all inputs, of which ``passes.exact`` ran in reduced precision.
    """
    exact = samples.rows(passes.exact)
    of_torch: dict[str, Mapping[str, Tensor]] = {name: run.outputs for name, run in passes.forced.items()}
    of_torch |= {name: found.free.outputs for name, found in passes.reduced.items()}
    found = []
    for precision, given in of_torch.items():
        if not _finite(given, _mask(samples if precision == "fp32" else exact)):
            told = overflow_of(merged, precision, outputs, samples if precision == "fp32" else exact)
            found.append(told or Overflow(precision=precision, in_pytorch=True))
        elif precision in passes.runtime and not _finite(
            passes.runtime[precision].outputs, _mask(samples if precision == "fp32" else exact)
        ):
            found.append(Overflow(precision=precision, in_pytorch=False))
    return tuple(found)


@dataclass(frozen=True)
class _Call:
    """A module without parts, as it ran."""

    name: str
    finite: bool
    """What it was given, and what it gave."""
    largest: float


@dataclass
class _Calls:
    found: list[_Call] = field(default_factory=list)


def _calls(model: nn.Module, outputs: Sequence[str], samples: Samples) -> tuple[list[_Call], bool]:
    """What the modules gave in order, and whether the outputs are finite."""
    with _collecting(model) as collected:
        run = run_samples(PyTorchRuntime(model, tuple(outputs)), samples, len(samples))
    return collected.found, _finite(run.outputs, _mask(samples))


@contextmanager
def _collecting(model: nn.Module) -> Iterator[_Calls]:
    collected, handles = _Calls(), []

    def hook_of(name: str) -> Any:
        def hook(_module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            values = [each for each in (*given, output) if isinstance(each, Tensor)]
            floats = [each for each in values if each.is_floating_point() and each.numel()]
            if floats:
                finite = all(bool(each.isfinite().all()) for each in floats)
                collected.found.append(_Call(name, finite, float(floats[-1].abs().max())))

        return hook

    for name, module in model.named_modules():
        if next(module.children(), None) is None:
            handles.append(module.register_forward_hook(hook_of(name)))
    try:
        yield collected
    finally:
        for handle in handles:
            handle.remove()


def _mask(samples: Samples) -> Tensor | None:
    return samples.inputs.get(ATTENTION_MASK)


def _finite(outputs: Mapping[str, Tensor], mask: Tensor | None) -> bool:
    return all(bool(real_positions(value, mask).isfinite().all()) for value in outputs.values())
