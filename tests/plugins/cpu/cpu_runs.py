"""The operator's tables of cases, run by its core for the CPU."""

from __future__ import annotations

from functools import cache

import torch

from pitome.merge import MergeResult
from tests.operator_cases import CASES, DTYPES, LARGE_CASES, OperatorCase, make_inputs
from tests.plugins.cpu.cpu_program import Case, run_merges

Call = tuple[OperatorCase, torch.dtype]


def can_be_judged(case: OperatorCase) -> bool:
    """Whether float64 tells a right decision from a wrong one.

    Random rows, hundreds of tokens and a steep energy make energies that are nearly all within rounding of
    each other: the judge explains the reference's own decisions there no better.
    """
    return case.exact or case.num_tokens < 250 or "-steep-" not in case.name


_LARGE = tuple(call for call in LARGE_CASES if can_be_judged(call[0]))
TABLES: dict[str, tuple[Call, ...]] = {
    "small": tuple((case, dtype) for case in CASES for dtype in DTYPES),
    "medium": tuple(call for call in _LARGE if call[0].num_tokens < 1000),
    "many tokens": tuple(call for call in _LARGE if call[0].num_tokens > 1000),
}


@cache
def inputs(table: str) -> tuple[Case, ...]:
    """The tensors of a table's calls."""
    return tuple((*make_inputs(case, dtype), case.parameters) for case, dtype in TABLES[table])


@cache
def results(table: str, instruction_set: str, threads: int = 1) -> tuple[MergeResult, ...]:
    """Every call of a table, by one process."""
    return tuple(run_merges(inputs(table), instruction_set, threads))
