"""What ptxas reports of each kernel on each GPU: registers, shared memory, local memory and spills.

The build leaves it in build/plugin/ptxas.log (``nvcc -Xptxas -v``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """One kernel, compiled for one compute capability."""

    kernel: str
    """Its mangled name."""
    target: int
    """The compute capability times ten: 75, 80, ..."""
    registers: int
    shared_bytes: int
    stack_bytes: int
    """Local memory of a thread; that of the functions it calls included."""
    spill_store_bytes: int
    spill_load_bytes: int


def read_usage(log: str) -> list[Usage]:
    """Every kernel of every target, in the order of the log.

    Raises:
        ValueError: a kernel without the lines that should follow its name.
    """
    parts = re.split(r"Compiling entry function '(\S+)' for 'sm_(\d+)\w?'", log)
    return [
        _usage(name, int(target), report)
        for name, target, report in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    ]


def _usage(kernel: str, target: int, report: str) -> Usage:
    memory = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", report)
    registers = re.search(r"Used (\d+) registers", report)
    if not memory or registers is None:
        raise ValueError(f"ptxas says nothing of the registers and the stack of {kernel} for sm_{target}")
    shared = re.search(r"(\d+) bytes smem", report)
    stack, stores, loads = (sum(map(int, column)) for column in zip(*memory, strict=True))
    return Usage(kernel, target, int(registers[1]), int(shared[1]) if shared else 0, stack, stores, loads)
