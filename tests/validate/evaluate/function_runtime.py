"""A runtime without a model: a plain function in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from pitome.runtime import DeclaredInput, Inputs, RunResult
from pitome.runtime.pytorch import to_array


class FunctionRuntime:
    """Runs ``function``: tensors by name -> tensors by name. Also a decorator of such a function."""

    name, precision = "a function", "fp32"
    inputs: tuple[DeclaredInput, ...] = ()
    outputs: tuple[str, ...] = ()

    def __init__(self, function: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]) -> None:
        self.function = function

    def run(self, inputs: Inputs) -> RunResult:
        found = self.function({name: torch.from_numpy(value) for name, value in inputs.items()})
        return RunResult({name: to_array(value) for name, value in found.items()})

    def prepare(self, inputs: Inputs) -> Callable[[], object]:
        return lambda: self.run(inputs)
