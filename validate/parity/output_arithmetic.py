"""Level 2 of parity: are a graph's outputs as exact as PyTorch's, with the same decisions?"""

from __future__ import annotations

from math import floor, log2

import torch
from torch import Tensor

from pitome.export.onnx import TORCH_TYPES
from pitome.validate.outputs import real_positions
from pitome.validate.parity.passes import Passes
from pitome.validate.parity.records import Arithmetic, ReducedError
from pitome.validate.thresholds import Thresholds


def compare_arithmetic(
    passes: Passes, precision: str, thresholds: Thresholds | None = None
) -> list[Arithmetic]:
    """The runtime's and PyTorch's outputs against float64, all with the runtime's decisions."""
    limits = thresholds or Thresholds()
    rows = passes.exact if precision == "fp32" else list(range(len(passes.exact)))
    mask = None if passes.mask is None else passes.mask[passes.exact]
    found = []
    for name, exact in passes.forced_exact[precision].outputs.items():
        reference = real_positions(exact, mask)
        ours = real_positions(passes.runtime[precision].outputs[name][rows].double(), mask)
        plain = real_positions(passes.forced[precision].outputs[name][rows].double(), mask)
        scale = _largest(reference)
        error, torch_error = _largest(ours - reference), _largest(plain - reference)
        limit = limits.arithmetic_factor * torch_error + unit_in_the_last_place(scale, precision)
        rms_error, torch_rms = _root_mean_square(ours - reference), _root_mean_square(plain - reference)
        rms_unit = unit_in_the_last_place(_root_mean_square(reference), precision)
        rms_limit = limits.rms_factor * torch_rms + rms_unit
        relative = _largest(ours - plain) / scale if scale else _largest(ours - plain)
        close = precision != "fp32" or relative <= limits.fp32_relative_limit
        found.append(
            Arithmetic(
                output=name,
                precision=precision,
                runtime=passes.runtime_name,
                images=len(rows),
                error=error,
                torch_error=torch_error,
                limit=limit,
                scale=scale,
                difference_to_torch=relative,
                rms_error=rms_error,
                torch_rms_error=torch_rms,
                rms_limit=rms_limit,
                passed=error <= limit and rms_error <= rms_limit and close,
            )
        )
    return found


def reduced_errors(passes: Passes, precision: str) -> tuple[ReducedError, ...]:
    """PyTorch in a reduced precision against float64 with its own decisions."""
    mask = None if passes.mask is None else passes.mask[passes.exact]
    found = []
    for name, exact in passes.reduced[precision].double.outputs.items():
        reference = real_positions(exact, mask)
        difference = real_positions(passes.reduced[precision].free.outputs[name].double(), mask) - reference
        found.append(
            ReducedError(
                output=name,
                error=_largest(difference),
                rms_error=_root_mean_square(difference),
                scale=_largest(reference),
            )
        )
    return tuple(found)


def unit_in_the_last_place(scale: float, precision: str) -> float:
    """Distance between neighbouring numbers of a precision at a magnitude."""
    return float(2.0 ** floor(log2(scale)) * torch.finfo(TORCH_TYPES[precision]).eps) if scale > 0 else 0.0


def _largest(values: Tensor) -> float:
    return float(values.abs().max())


def _root_mean_square(values: Tensor) -> float:
    return float(values.double().square().mean().sqrt())
