"""The operator's tables of cases, run on the CPU through the real plugin object."""

from __future__ import annotations

from functools import cache

import torch

from pitome.merge import MergeResult
from pitome.parameters import MergeParameters
from tests.operator_cases import CASES, DTYPES, LARGE_CASES, OperatorCase, make_inputs
from tests.plugins.plugin_program import HOST, SANITIZED, run_merges

Call = tuple[OperatorCase, torch.dtype]

SMALL: tuple[Call, ...] = tuple((case, dtype) for case in CASES for dtype in DTYPES)


def work(call: Call) -> int:
    """Multiply-adds of the similarities, in full tiles."""
    case, _ = call
    return case.batch * case.num_tokens**2 * max(case.metric_width, 64)


TABLES = {
    "small": SMALL,
    "large": LARGE_CASES,
    # Where every case is run many times, or slowly.
    "medium": tuple(call for call in LARGE_CASES if call[0].num_tokens < 1000),
    "many tokens": tuple(call for call in LARGE_CASES if call[0].num_tokens > 1000),
    "light": tuple(call for call in LARGE_CASES if work(call) <= 1e7),
}


Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, MergeParameters]


def _inputs(num_tokens: int, num_merged: int, num_candidates: int) -> Inputs:
    """x, metric, size and parameters of two images; rows in pieces that are not full."""
    return (
        torch.randn(2, num_tokens, 40, generator=torch.Generator().manual_seed(0)),
        torch.randn(2, num_tokens, 80, generator=torch.Generator().manual_seed(1)),
        torch.ones(2, num_tokens, 1),
        MergeParameters(num_merged, num_candidates, 1, margin=0.1, offset=0.1, size_penalty=0.05),
    )


INPUTS = _inputs(150, 30, 130)
"""Few tokens, in five tiles, for the two launches that they have."""
MANY_INPUTS = _inputs(300, 60, 260)
"""More, in five tiles, for the five launches."""


def results(table: str, sanitized: bool = False, seed: int = 0) -> list[MergeResult]:
    """Every call of a table, through one process of the plugin's test program."""
    outcome = _run_once(table, sanitized, seed)
    if isinstance(outcome, RuntimeError):
        raise outcome
    return outcome


@cache
def _run_once(table: str, sanitized: bool, seed: int) -> list[MergeResult] | RuntimeError:
    """The error too is kept: hundreds of tests ask for the same run."""
    build = SANITIZED if sanitized else HOST
    cases = [(*make_inputs(case, dtype), case.parameters) for case, dtype in TABLES[table]]
    try:
        return run_merges(cases, build.library, build.program, seed)
    except RuntimeError as error:
        return error


def assert_same_bits(one: MergeResult, other: MergeResult) -> None:
    for first, second in zip(one, other, strict=True):
        assert torch.equal(first.view(torch.uint8), second.view(torch.uint8))
