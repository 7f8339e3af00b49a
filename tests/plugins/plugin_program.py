"""Drives the C++ program that takes the plugin through its life as TensorRT does (plugin_program.cpp)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pitome.merge import MergeResult
from pitome.op import node_attributes
from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import BUILD, DTYPES, HOST_LIBRARY, Parameters, Shape
from tests.device_library import DEVICE_LIBRARY

Case = tuple[Tensor, Tensor, Tensor, MergeParameters]
"""x [B, N, C], metric [B, N, D], size [B, N, 1] and how to merge them."""

# AddressSanitizer says so of every program with fibers, once; the host build tells it of every switch.
_FIBERS = "ASan doesn't fully support makecontext/swapcontext functions"


_BUILD_IT = "run `make plugin-host` first, and `make plugin-sanitized plugin` for the other builds"


@dataclass(frozen=True)
class Build:
    """A plugin library and the program for it.

    Args:
        library: the shared library.
        program: plugin_program, built with the same sanitizers or none.
    """

    library: Path
    program: Path

    def run(self, *words: str, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """One call of the program; raises RuntimeError with its stderr where it fails."""
        for file in (self.library, self.program):
            assert file.is_file(), f"{file} is missing: {_BUILD_IT}"
        command = [str(self.program), str(self.library), *words]
        done = subprocess.run(command, input=content, capture_output=True, check=False)
        if done.returncode != 0:
            errors = done.stderr.decode(errors="replace")
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{errors}")
        return done


HOST = Build(HOST_LIBRARY, BUILD / "plugin_program")
SANITIZED = Build(BUILD / "sanitized" / HOST_LIBRARY.name, BUILD / "sanitized" / "plugin_program")
# Its kernels need a GPU; creating, describing and refusing does not.
DEVICE = Build(DEVICE_LIBRARY, BUILD / "plugin_program")
BUILDS = {"host": HOST, "sanitized": SANITIZED, "device": DEVICE}
_ONLY_FULL = pytest.mark.full
ON_HOST = ("host", pytest.param("sanitized", marks=_ONLY_FULL))
"""Names for `BUILDS` of what runs kernels here; `make test` builds only the first."""
EVERY_BUILD = (*ON_HOST, pytest.param("device", marks=_ONLY_FULL))


def run_merges(
    cases: Sequence[Case],
    library: Path = HOST.library,
    program: Path = HOST.program,
    seed: int = 0,
) -> list[MergeResult]:
    """Merge each case with the plugin, which is created, cloned, serialised, re-created, shaped and enqueued.

    Args:
        cases: float32, float16 or bfloat16 tensors on the CPU.
        library: a host build.
        program: the plugin_program for it.
        seed: of the order of the threads.

    Raises:
        RuntimeError: with the program's stderr, where anything was not as it must be.
    """
    content = b"".join(_bytes_of_case(*case) for case in cases)
    done = Build(library, program).run("merge", str(seed), content=content)
    told = [line for line in done.stderr.decode(errors="replace").splitlines() if _FIBERS not in line]
    if told:
        raise RuntimeError("the plugin wrote to stderr:\n" + "\n".join(told))
    reader = _Reader(done.stdout)
    results = [_read_result(reader, x, parameters) for x, _, _, parameters in cases]
    assert reader.is_at_end(), "the program wrote more than the results"
    return results


def _bytes_of_case(x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> bytes:
    batch, num_tokens, width = x.shape
    shape = Shape(batch, num_tokens, width, metric.shape[2], DTYPES[x.dtype])
    assert metric.dtype == x.dtype
    assert metric.shape[:2] == x.shape[:2]
    assert size.shape == (batch, num_tokens, 1)
    tensors = [_bytes_of(x), _bytes_of(metric), _bytes_of(size.to(torch.float32))]
    return b"".join([bytes(Parameters.of(parameters)), bytes(shape), *tensors])


def _bytes_of(tensor: Tensor) -> bytes:
    return tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()


class _Reader:
    """Reads tensors from the program's output."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    def read(self, dtype: torch.dtype, *shape: int) -> Tensor:
        count = torch.Size(shape).numel() * dtype.itemsize
        part = self._content[self._position : self._position + count]
        assert len(part) == count, "the program wrote less than the results"
        self._position += count
        return torch.frombuffer(bytearray(part), dtype=dtype).reshape(shape) if part else torch.empty(shape)

    def is_at_end(self) -> bool:
        return self._position == len(self._content)


def _read_result(reader: _Reader, x: Tensor, parameters: MergeParameters) -> MergeResult:
    batch, num_tokens, width = x.shape
    kept = num_tokens - parameters.num_merged
    return MergeResult(
        reader.read(x.dtype, batch, kept, width),
        reader.read(torch.float32, batch, kept, 1),
        reader.read(torch.int32, batch, num_tokens),
    )


INT32, INT64, FLOAT32, FLOAT64, CHAR = 5, 10, 1, 2, 6
"""Values of TensorRT's PluginFieldType."""
FLOAT, HALF, INT8, BF16 = 0, 1, 2, 7
"""Values of TensorRT's DataType."""


@dataclass(frozen=True)
class Field:
    """A plugin field.

    Args:
        name: ``None`` is a null pointer.
        type: a PluginFieldType.
        data: the bytes; ``None`` is a null pointer.
        length: the number of values that it claims; ``None`` is the true one.
    """

    name: str | None
    type: int
    data: bytes | None
    length: int | None = None

    def line(self) -> str:
        sizes = {INT32: 4, FLOAT32: 4, INT64: 8, FLOAT64: 8}
        length = self.length
        if length is None:
            length = len(self.data or b"") // sizes.get(self.type, 1)
        name = "-" if self.name is None else self.name.encode("latin-1").hex()
        data = "-" if self.data is None else self.data.hex()
        return f"field {name} {self.type} {length} {data}"


def attribute_fields(parameters: MergeParameters) -> dict[str, Field]:
    """The nine attributes as TensorRT's ONNX parser hands them over, by name."""
    attributes = node_attributes(parameters)
    return {
        name: _field_of(name, value)
        for name, value in attributes.items()
        if name not in ("plugin_namespace", "plugin_version")
    }


def _field_of(name: str, value: int | float | str) -> Field:
    if isinstance(value, str):
        return text_field(name, value)
    if isinstance(value, int):
        return Field(name, INT32, torch.tensor([value], dtype=torch.int32).numpy().tobytes())
    return Field(name, FLOAT32, torch.tensor([value], dtype=torch.float32).numpy().tobytes())


def text_field(name: str, text: str) -> Field:
    return Field(name, CHAR, text.encode("latin-1") + b"\0")


def describe(
    fields: Iterable[Field] | None,
    *,
    build: Build = HOST,
    count: int | None = None,
    null_fields: bool = False,
    layer: str | None = "layer",
    phase: int = 0,
    tensors: Sequence[tuple[int, tuple[int, ...]]] = (),
) -> dict[str, Any]:
    """What the creator says to a field collection, and the plugin to tensors.

    Args:
        fields: of the collection; ``None`` is a null collection.
        build: the library.
        count: what the collection claims as its count, where that is not the true one.
        null_fields: whether its array is a null pointer.
        layer: the layer's name.
        phase: 0 for the build, 1 for the runtime.
        tensors: type and shape of the inputs; every entry point that takes tensors is asked about them.
    """
    lines = [f"layer {'-' if layer is None else layer.encode('latin-1').hex()}", f"phase {phase}"]
    if fields is None:
        lines.append("null_collection")
    lines += [field.line() for field in fields or ()]
    if count is not None:
        lines.append(f"count {count}")
    if null_fields:
        lines.append("null_fields")
    for data_type, shape in tensors:
        lines.append(" ".join(map(str, ["tensor", data_type, *shape])))
    done = build.run("describe", content="\n".join(lines).encode())
    assert done.stderr == b"", "messages go to the logger"
    description: dict[str, Any] = json.loads(done.stdout)
    return description
