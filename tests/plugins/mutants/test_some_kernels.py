"""Light cases of the operator's table through the CUDA kernels, run on the CPU."""

from __future__ import annotations

from tests.merge_contract import held_to_the_contract
from tests.operator_cases import make_inputs
from tests.plugins.mutants.some_cases import CALLS
from tests.plugins.plugin_program import run_merges


def test_light_cases_merge_like_the_reference() -> None:
    cases = [(*make_inputs(case, dtype), case.parameters) for case, dtype in CALLS]
    for call, result in zip(CALLS, run_merges(cases), strict=True):
        held_to_the_contract(call, result)
