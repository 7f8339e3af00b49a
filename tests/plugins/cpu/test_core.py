"""The operator's core for the CPU: the shared table of cases, by every instruction set that this CPU has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pitome.merge import MergeResult, merge
from tests.merge_contract import assert_untouched, assert_within_rounding
from tests.pitome.test_merge import assert_values, by_name
from tests.plugins.cpu.cpu_program import instruction_sets
from tests.plugins.cpu.cpu_runs import TABLES, inputs, results

FULL = [pytest.mark.full]


def named(table: str, marks: list[pytest.MarkDecorator]) -> list[Any]:
    """The places of a table's calls, named by what they are."""
    return [
        pytest.param(table, index, id="-".join(map(by_name, call)), marks=marks)
        for index, call in enumerate(TABLES[table])
    ]


UNDECIDED = {
    ("random_sizes-N3840-B1-D64-p5-r1917-M3835-energy-elu-alternate-s0.05-C1408", "SCALAR"),
}
"""Of these the judge's search, which tries a limited number of orders, finds none and excludes none: with
3,835 random tokens the energies of neighbours differ by less than rounding. SCALAR has no vectors.
Their values are checked, their decisions are not."""


@pytest.mark.parametrize(
    ("table", "index"), [*named("small", []), *named("medium", FULL), *named("many tokens", FULL)]
)
def test_the_core_merges_like_the_reference(table: str, index: int) -> None:
    case, _ = TABLES[table][index]
    x, metric, size, parameters = inputs(table)[index]
    # tests/pitome/test_merge.py holds the reference to slow loops: its decisions need no second judge.
    accepted = [merge(x, metric, size, parameters).assignment]
    for instruction_set in instruction_sets():
        result = results(table, instruction_set)[index]
        assert_values(result, x, size)
        assert_untouched(result, x, size, parameters.num_protected)
        for image in range(len(x)):
            one = slice(image, image + 1)
            if not any(torch.equal(result.assignment[image], other[image]) for other in accepted):
                assert not case.exact
                if (case.name, instruction_set) in UNDECIDED:
                    continue
                decided = MergeResult(*(value[one] for value in result))
                assert_within_rounding(case, decided, metric[one], size[one])
        accepted.append(result.assignment)


@pytest.mark.parametrize("table", ["small", pytest.param("medium", marks=pytest.mark.full)])
@pytest.mark.parametrize("threads", [2, *(pytest.param(number, marks=pytest.mark.full) for number in (3, 8))])
def test_the_number_of_threads_changes_no_bit(table: str, threads: int) -> None:
    best = instruction_sets()[0]
    for one, other in zip(results(table, best), results(table, best, threads), strict=True):
        for first, second in zip(one, other, strict=True):
            assert torch.equal(first.view(torch.uint8), second.view(torch.uint8))


def test_plain_code_and_avx2_are_among_the_instruction_sets() -> None:
    assert instruction_sets()[-1] == "SCALAR"
    if "avx2" not in Path("/proc/cpuinfo").read_text(encoding="utf-8").split():
        pytest.skip("this CPU has no AVX2")
    assert "AVX2" in instruction_sets()
