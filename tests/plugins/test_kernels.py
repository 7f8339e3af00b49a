"""The CUDA kernels, run on the CPU: the operator's table of cases through the real plugin object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.merge_contract import held_to_the_contract
from tests.operator_cases import LARGE_CASES
from tests.pitome.test_merge import by_name
from tests.plugins.kernel_runs import TABLES, results


def named(table: str, marks: Sequence[pytest.MarkDecorator] = ()) -> list[Any]:
    """The places of a table's calls, named by what they are."""
    return [
        pytest.param((table, index), id="-".join(map(by_name, call)), marks=marks)
        for index, call in enumerate(TABLES[table])
    ]


@pytest.mark.parametrize(
    "place",
    [
        *named("small"),
        *named("medium", [pytest.mark.full]),
        *named("many tokens", [pytest.mark.full]),
    ],
)
def test_the_kernels_merge_like_the_reference(place: tuple[str, int]) -> None:
    table, index = place
    held_to_the_contract(TABLES[table][index], results(table)[index])


def test_the_large_table_covers_what_the_kernels_take() -> None:
    cases = [case for case, _ in LARGE_CASES]
    assert {case.num_tokens for case in cases} == {2, 3, 197, 198, 257, 577, 1370, 3840}
    assert {case.metric_width for case in cases} == {1, 64, 80, 768, 1408}
    assert {case.batch for case in cases} == {1, 3, 17}
    assert len(TABLES["medium"]) + len(TABLES["many tokens"]) == len(LARGE_CASES)
    assert any(2 * case.parameters.num_merged == case.parameters.num_candidates for case in cases)
    unprotected = [case.num_tokens - case.parameters.num_protected for case in cases]
    assert any(
        case.parameters.num_candidates == count for case, count in zip(cases, unprotected, strict=True)
    )
    assert any(
        case.parameters.num_merged == count // 2 for case, count in zip(cases, unprotected, strict=True)
    )
