"""One way to call every model under test: a batch of inputs in, named float32 outputs out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

Encoder = Callable[[Mapping[str, "Tensor"]], dict[str, "Tensor"]]
"""Inputs, each [B, ...] -> outputs by name, each [B, ...] float32."""


def torch_encoder(model: nn.Module, outputs: Sequence[str]) -> Encoder:
    """A PyTorch model in its own precision; ``outputs`` are fields of what it returns."""
    import torch

    dtype = next(model.parameters()).dtype

    def encode(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        given = {
            name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs.items()
        }
        with torch.no_grad():
            found: Any = model(**given)
        return {name: getattr(found, name).float() for name in outputs}

    return encode


def onnx_encoder(path: Path, threads: int = 2) -> Encoder:
    """An ONNX file on onnxruntime's CPU provider; errors as ``pitome.runtime.onnxruntime.open_session``."""
    import torch

    from pitome.runtime.onnxruntime import open_session

    session = open_session(path, threads)
    names = [output.name for output in session.get_outputs()]
    wanted = [value.name for value in session.get_inputs()]

    def encode(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = session.run(names, {name: inputs[name].numpy() for name in wanted})
        return {name: torch.from_numpy(value).float() for name, value in zip(names, found, strict=True)}

    return encode
