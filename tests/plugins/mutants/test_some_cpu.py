"""Light cases of the operator's table through the core for the CPU, by its best instruction set."""

from __future__ import annotations

from tests.merge_contract import held_to_the_contract
from tests.operator_cases import make_inputs
from tests.plugins.cpu.cpu_program import instruction_sets, run_merges
from tests.plugins.mutants.some_cases import CALLS


def test_light_cases_merge_like_the_reference() -> None:
    cases = [(*make_inputs(case, dtype), case.parameters) for case, dtype in CALLS]
    for call, result in zip(CALLS, run_merges(cases, instruction_sets()[0]), strict=True):
        held_to_the_contract(call, result)
