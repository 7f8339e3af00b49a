"""The operator's tables of cases, run by the kernels and held to the contract."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from pitome.merge import MergeResult
from tests.merge_contract import held_to_the_contract
from tests.operator_cases import CASES, DTYPES, LARGE_CASES, OperatorCase, make_inputs
from tests.plugins.gpu_kernels.device import Device

Call = tuple[OperatorCase, torch.dtype]
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


def run_table(device: Device, calls: Sequence[Call], say: Say) -> TableResult:
    """Run the cases one by one, each twice. An error of the device ends it: GPUs are lost after some."""
    wrong: list[WrongCase] = []
    done = 0
    for done, call in enumerate(calls, start=1):
        try:
            results = [_merge(device, call, seed) for seed in (0, 1)]
        except RuntimeError as error:
            wrong.append(WrongCase(name_of(call), f"the device failed: {line_of(error)}"))
            break
        reason = _wrong_with(call, results)
        if reason:
            wrong.append(WrongCase(name_of(call), reason))
        if done % PROGRESS == 0:
            say(f"{done} of {len(calls)} cases, {len(wrong)} wrong")
    return TableResult(len(calls), len(CALLS), done, tuple(wrong))


def _merge(device: Device, call: Call, seed: int) -> MergeResult:
    tensors = [tensor.to(device.place) for tensor in make_inputs(*call)]
    result = device.merge(*tensors, call[0].parameters, seed)
    return MergeResult(*(tensor.cpu() for tensor in result))


def _wrong_with(call: Call, results: Sequence[MergeResult]) -> str:
    """Why the results of one case are wrong; empty where they are right."""
    first, second = results
    same = (torch.equal(_bits(one), _bits(other)) for one, other in zip(first, second, strict=True))
    if not all(same):
        return "the second run gave other bits than the first"
    try:
        held_to_the_contract(call, first)
    except (AssertionError, IndexError) as error:  # a slot that is none is no index
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{line_of(error)} (at {place.name}: {place.line})"
    return ""


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().view(torch.uint8)


def line_of(error: Exception) -> str:
    """An error's type and text on one line, cut where it is a page."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 300 else text[:297] + "..."
