"""Drives the C++ program over the operator's core for the CPU (cpu_program.cpp)."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from pitome.merge import MergeResult
from pitome.parameters import AMOUNTS, Function, MergeParameters, Order, Split
from pitome.plugins.tools.native_build import NATIVE_OUTPUT

BUILD = NATIVE_OUTPUT.resolve()
"""Of the folder that the process started in."""
PROGRAM = BUILD / "cpu_program"
MEMORY = BUILD / "memory/cpu_program"
"""With AddressSanitizer and UndefinedBehaviorSanitizer."""
THREADS = BUILD / "threads/cpu_program"
"""With ThreadSanitizer."""
_BUILD_IT = "run `make native` first, and `make native-sanitized` for the builds with sanitizers"
DTYPES = (torch.float32, torch.float16, torch.bfloat16)

Case = tuple[Tensor, Tensor, Tensor, MergeParameters]
"""x [B, N, C], metric [B, N, D], size [B, N, 1] and how to merge them."""


def run_program(*words: str, content: bytes = b"", program: Path = PROGRAM) -> bytes:
    """What one call of the program prints; raises RuntimeError with its stderr where it fails or warns."""
    assert program.is_file(), f"{program} is missing: {_BUILD_IT}"
    done = subprocess.run([str(program), *words], input=content, capture_output=True, check=False)
    errors = done.stderr.decode(errors="replace")
    if done.returncode != 0 or errors:
        raise RuntimeError(f"{program} {' '.join(words)} ended with {done.returncode}:\n{errors}")
    return done.stdout


@cache
def instruction_sets(program: Path = PROGRAM) -> tuple[str, ...]:
    """Those that the build has and this CPU runs, the best first, by Highway's names."""
    return tuple(run_program("targets", program=program).decode().split())


def run_merges(
    cases: Sequence[Case], instruction_set: str, threads: int = 1, callers: int = 1, program: Path = PROGRAM
) -> list[MergeResult]:
    """Merge each case; with several callers, by so many threads at once, which must agree."""
    content = b"".join(_bytes_of_case(*case) for case in cases)
    words = ("merge", instruction_set, str(threads), str(callers))
    reader = _Reader(run_program(*words, content=content, program=program))
    results = [_read_result(reader, x, parameters) for x, _, _, parameters in cases]
    assert reader.is_at_end(), "the program wrote more than the results"
    return results


def _bytes_of_case(x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> bytes:
    counts = (parameters.num_merged, parameters.num_candidates, parameters.num_protected)
    amounts = [getattr(parameters, name) for name in AMOUNTS]
    choices = (
        get_args(Order).index(parameters.order),
        get_args(Function).index(parameters.function),
        get_args(Split).index(parameters.split),
    )
    shape = (*x.shape, metric.shape[2], DTYPES.index(x.dtype))
    head = struct.pack("=3i5f3i5i", *counts, *amounts, *choices, *shape)
    return head + b"".join(map(_bytes_of, (x, metric, size)))


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
