"""The table of cases notices a device that merges wrongly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pitome.merge import MergeResult
from pitome.plugins.tools.merge_library import HostLibrary
from tests.operator_cases import CASES, DTYPES, LARGE_CASES
from tests.plugins.gpu_kernels.device import HostDevice
from tests.plugins.gpu_kernels.table import CALLS, TableResult, choose, name_of, run_table

CALL = next(call for call in choose("signs-N17-") if call[1] == torch.float32)


class FaultyDevice(HostDevice):
    """Does something to each result of the kernels."""

    def __init__(self, change: Callable[[MergeResult, int], MergeResult]) -> None:
        super().__init__(HostLibrary())
        self.change = change

    def merge(self, x, metric, size, parameters, seed=0):  # type: ignore[no-untyped-def]
        return self.change(super().merge(x, metric, size, parameters, seed), seed)


def run(change: Callable[[MergeResult, int], MergeResult]) -> TableResult:
    return run_table(FaultyDevice(change), [CALL, CALL], lambda _: None)


def test_every_case_has_its_name() -> None:
    names = {name_of(call) for call in CALLS}
    assert len(names) == len(CALLS) == len(CASES) * len(DTYPES) + len(LARGE_CASES)
    assert choose("") == CALLS
    assert choose("no such case") == ()


def test_the_kernels_are_right() -> None:
    calls = choose("-N17-")
    assert {dtype for _, dtype in calls} == set(DTYPES)
    said: list[str] = []
    found = run_table(HostDevice(HostLibrary()), calls, said.append)
    assert (found.chosen, found.of, found.run, found.wrong) == (len(calls), len(CALLS), len(calls), ())
    assert said == [f"{done} of {len(calls)} cases, 0 wrong" for done in range(100, len(calls) + 1, 100)]


def swap_slots(result: MergeResult, seed: int) -> MergeResult:
    last = int(result.assignment.max())
    swapped = torch.where(result.assignment == last, last - 1, result.assignment)
    return result._replace(assignment=torch.where(result.assignment == last - 1, last, swapped))


def no_slot(result: MergeResult, seed: int) -> MergeResult:
    return result._replace(assignment=result.assignment + 1000)


def one_bit_off(result: MergeResult, seed: int) -> MergeResult:
    return result._replace(x=(result.x.view(torch.uint8) ^ 1).view(result.x.dtype))


def other_size(result: MergeResult, seed: int) -> MergeResult:
    return result._replace(size=result.size * 1.001)


@pytest.mark.parametrize("change", [swap_slots, no_slot, one_bit_off, other_size])
def test_a_wrong_result_is_a_wrong_case(change: Callable[[MergeResult, int], MergeResult]) -> None:
    found = run(change)
    assert [case.name for case in found.wrong] == [name_of(CALL)] * 2
    assert all("AssertionError" in case.reason and "\n" not in case.reason for case in found.wrong)
    assert found.run == 2


def test_several_processes_find_the_same() -> None:
    calls = [CALL, *choose("signs-N5-")[:2]]
    results = [run_table(FaultyDevice(one_bit_off), calls, lambda _: None, jobs) for jobs in (1, 2)]
    assert results[0] == results[1]
    assert [case.name for case in results[1].wrong] == [name_of(call) for call in calls]


def test_so_is_one_that_differs_from_run_to_run() -> None:
    found = run(lambda result, seed: result._replace(x=result.x + seed))
    assert {case.reason for case in found.wrong} == {"the second run gave other bits than the first"}


def test_an_error_of_the_device_ends_the_table() -> None:
    def lost(result: MergeResult, seed: int) -> MergeResult:
        raise RuntimeError("CUDA error: an illegal memory access\nCompile with ...")

    found = run(lost)
    assert (found.chosen, found.run, len(found.wrong)) == (2, 1, 1)
    assert found.wrong[0].reason == (
        "the device failed: RuntimeError: CUDA error: an illegal memory access Compile with ..."
    )
