"""Merges through the whole life of the plugin: created, cloned, serialised, re-created, shaped, enqueued."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pitome.merge import merge
from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import HostLibrary
from tests.operator_cases import CASES, DTYPES, make_inputs
from tests.plugins.plugin_program import BUILDS, HOST, ON_HOST, Build, Case, run_merges

SMALL = [case for case in CASES if case.exact and case.num_tokens <= 50][::7]


def cases_of(dtype: torch.dtype) -> list[Case]:
    return [(*make_inputs(case, dtype), case.parameters) for case in SMALL]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("build", ON_HOST)
def test_the_plugin_merges_like_the_reference(build: str, dtype: torch.dtype) -> None:
    cases = cases_of(dtype)
    assert {case.parameters.order for case in SMALL} == {"energy", "position"}
    results = run_merges(cases, BUILDS[build].library, BUILDS[build].program, seed=5)
    for (x, metric, size, parameters), result in zip(cases, results, strict=True):
        expected = merge(x, metric, size, parameters)
        assert torch.equal(result.assignment, expected.assignment)
        assert torch.equal(result.size, expected.size)
        assert result.x.dtype == dtype
        assert result.x.shape == expected.x.shape


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_plugin_gives_the_bits_of_the_c_interface(dtype: torch.dtype) -> None:
    cases = cases_of(dtype)
    library = HostLibrary()
    for case, through_plugin in zip(cases, run_merges(cases), strict=True):
        direct = library.merge(*case)
        for one, other in zip(through_plugin, direct, strict=True):
            assert torch.equal(one.view(torch.uint8), other.view(torch.uint8))


@pytest.mark.parametrize("build", ON_HOST)
def test_an_empty_batch_gives_empty_outputs(build: str) -> None:
    empty = (torch.empty(0, 9, 4), torch.empty(0, 9, 8), torch.empty(0, 9, 1), MergeParameters(2, 6, 1))
    (result,) = run_merges([empty], BUILDS[build].library, BUILDS[build].program)
    assert [tuple(tensor.shape) for tensor in result] == [(0, 7, 4), (0, 7, 1), (0, 9)]


def test_a_refused_case_is_an_error_with_its_number_and_the_plugin_s_words() -> None:
    good = (torch.ones(1, 9, 4), torch.ones(1, 9, 8), torch.ones(1, 9, 1), MergeParameters(2, 6, 1))
    bad = (*good[:3], MergeParameters(2, 9, 1))
    with pytest.raises(RuntimeError, match=r"case 1: expected getOutputShapes to return 0\n") as error:
        run_merges([good, bad])
    assert "num_candidates=9 for 9 tokens, 1 of them protected" in str(error.value)


def test_a_library_that_is_not_there_is_an_error_that_says_how_to_build_it(tmp_path: Path) -> None:
    missing = Build(tmp_path / "libpitome_plugin_host.so", HOST.program)
    with pytest.raises(
        AssertionError,
        match="is missing: run `make plugin-host` first, and `make plugin-sanitized plugin` for the other",
    ):
        missing.run("messages")


def test_a_file_that_is_no_library_is_an_error() -> None:
    no_library = Build(Path(__file__), HOST.program)
    with pytest.raises(RuntimeError, match="invalid ELF header"):
        no_library.run("messages")
