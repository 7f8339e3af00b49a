"""The table of cases under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.plugins.cpu.cpu_program import MEMORY, THREADS, instruction_sets, run_merges
from tests.plugins.cpu.cpu_runs import inputs, results

pytestmark = pytest.mark.full


@pytest.mark.parametrize("table", ["small", "medium"])
def test_no_access_out_of_bounds_and_no_undefined_behaviour(table: str) -> None:
    for instruction_set in instruction_sets(MEMORY):
        check(MEMORY, table, instruction_set, callers=1)


@pytest.mark.parametrize("table", ["small", "medium"])
def test_no_data_race_with_several_callers_of_one_pool(table: str) -> None:
    check(THREADS, table, instruction_sets(THREADS)[0], callers=2)


def check(program: Path, table: str, instruction_set: str, callers: int) -> None:
    """A sanitizer's complaint is an error already; the results must be those of the plain build too."""
    found = run_merges(inputs(table), instruction_set, threads=3, callers=callers, program=program)
    for one, other in zip(found, results(table, instruction_set), strict=True):
        assert torch.equal(one.assignment, other.assignment)
