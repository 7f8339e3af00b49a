"""The operator's tables of cases, run by its core for the CPU."""

from __future__ import annotations

from functools import cache

import torch

from pitome.merge import MergeResult
from tests.operator_cases import CASES, DTYPES, LARGE_CASES, OperatorCase, make_inputs
from tests.plugins.cpu.cpu_program import Case, run_merges

Call = tuple[OperatorCase, torch.dtype]

TABLES: dict[str, tuple[Call, ...]] = {
    "small": tuple((case, dtype) for case in CASES for dtype in DTYPES),
    "medium": tuple(call for call in LARGE_CASES if call[0].num_tokens < 1000),
    "many tokens": tuple(call for call in LARGE_CASES if call[0].num_tokens > 1000),
}


@cache
def inputs(table: str) -> tuple[Case, ...]:
    """The tensors of a table's calls."""
    return tuple((*make_inputs(case, dtype), case.parameters) for case, dtype in TABLES[table])


@cache
def results(table: str, instruction_set: str, threads: int = 1) -> tuple[MergeResult, ...]:
    """Every call of a table, by one process."""
    return tuple(run_merges(inputs(table), instruction_set, threads))
