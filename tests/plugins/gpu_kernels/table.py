"""The operator's tables of cases, run by the kernels and held to the contract."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from pitome.merge import MergeResult
from tests.operator_cases import CASES, DTYPES, LARGE_CASES, make_inputs
from tests.plugins.gpu_kernels.checks import Call, Merged, check_all, line_of
from tests.plugins.gpu_kernels.device import Device

Say = Callable[[str], None]

CALLS: tuple[Call, ...] = (*itertools.product(CASES, DTYPES), *LARGE_CASES)
PROGRESS = 100
"""Cases from one line of progress to the next."""


@dataclass(frozen=True)
class WrongCase:
    """One case that the kernels got wrong."""

    name: str
    reason: str


@dataclass(frozen=True)
class TableResult:
    """How the cases went."""

    chosen: int
    """How many were to run."""
    of: int
    """How many there are."""
    run: int
    """Fewer than were to run where the device failed."""
    wrong: tuple[WrongCase, ...]


def name_of(call: Call) -> str:
    """Of a case, unique."""
    case, dtype = call
    return f"{case.name}-{str(dtype).removeprefix('torch.')}"


def choose(part: str) -> tuple[Call, ...]:
    """The cases with this text in their name; all of them for an empty one."""
    return tuple(call for call in CALLS if part in name_of(call))


def run_table(device: Device, calls: Sequence[Call], say: Say, jobs: int = 1) -> TableResult:
    """Run the cases one by one, each twice. An error of the device ends it: GPUs are lost after some.

    Args:
        device: what merges.
        calls: the cases.
        say: is told of progress.
        jobs: how many processes check results; 1: this one.
    """
    wrong: list[WrongCase] = []
    done = 0
    for call, reason in check_all(_merge_all(device, calls), jobs):
        done += 1
        if reason:
            wrong.append(WrongCase(name_of(call), reason))
        if done % PROGRESS == 0:
            say(f"{done} of {len(calls)} cases, {len(wrong)} wrong")
    return TableResult(len(calls), len(CALLS), done, tuple(wrong))


def _merge_all(device: Device, calls: Sequence[Call]) -> Iterator[Merged]:
    for call in calls:
        try:
            first, second = (_merge(device, call, seed) for seed in (0, 1))
        except RuntimeError as error:
            yield Merged(call, None, f"the device failed: {line_of(error)}")
            return
        same = all(torch.equal(_bits(one), _bits(other)) for one, other in zip(first, second, strict=True))
        yield Merged(call, first, "" if same else "the second run gave other bits than the first")


def _merge(device: Device, call: Call, seed: int) -> MergeResult:
    tensors = [tensor.to(device.place) for tensor in make_inputs(*call)]
    result = device.merge(*tensors, call[0].parameters, seed)
    return MergeResult(*(tensor.cpu() for tensor in result))


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().view(torch.uint8)
