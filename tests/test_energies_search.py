"""The search for an energy: its correction by hand, and the page's tables from the committed comparisons."""

from __future__ import annotations

import importlib.util
import json
import sys
from types import ModuleType
from typing import Any

import pytest

from tests.checkout import ROOT

RESULTS = ROOT / "docs" / "results"


@pytest.fixture(scope="module")
def search() -> ModuleType:
    path = RESULTS / "search" / "compare_energies.py"
    spec = importlib.util.spec_from_file_location("compare_energies", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def committed(search: ModuleType) -> list[Any]:
    documents = json.loads((RESULTS / "search" / "energies-compared.json").read_text(encoding="utf-8"))
    return [search.Comparison(**document) for document in documents]


def test_holm_by_hand(search: ModuleType) -> None:
    # Sorted .01, .02, .03, .5 times 4, 3, 2, 1 is .04, .06, .06, .5: no step falls, and none is above 1.
    assert search.holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert search.holm([0.9, 0.8]) == [1.0, 1.0]


def test_committed_p_values_are_corrected_over_their_family(search: ModuleType) -> None:
    found = committed(search)
    assert search.corrected(found) == found
    assert sorted({each.comparisons for each in found}) == [30, 55]


@pytest.mark.parametrize("with_default", [True, False])
def test_the_page_has_the_tables_of_the_comparisons(search: ModuleType, with_default: bool) -> None:
    page = (RESULTS / "README.md").read_text(encoding="utf-8")
    assert search.table(committed(search), with_default) in page
