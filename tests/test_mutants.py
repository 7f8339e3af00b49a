"""The page of surviving mutants: its changes are to code that is there, and the modules have tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.mutants import EXPLAINED, mirrors_of

PAGE = EXPLAINED.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## `(\S+\.py)`\n(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("module", SECTIONS)
def test_the_page_changes_lines_that_are_there(module: str) -> None:
    lines = {line.strip() for line in (ROOT / module).read_text(encoding="utf-8").splitlines()}
    removed = re.findall(r"^- (.*)$", "\n".join(diffs(module)), flags=re.MULTILINE)
    assert removed
    assert set(removed) <= lines


def diffs(module: str) -> list[str]:
    return re.findall(r"^```diff\n(.*?)^```$", SECTIONS[module], flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("module", SECTIONS)
def test_a_module_of_the_page_has_tests_of_its_own(module: str) -> None:
    assert mirrors_of(Path(module))


def test_the_tests_of_a_module_are_those_of_its_name() -> None:
    found = [path.as_posix() for path in mirrors_of(Path("pitome/schedule.py"))]
    assert found == ["tests/pitome/test_schedule.py", "tests/pitome/test_schedule_search.py"]
    assert mirrors_of(Path("pitome/no_such_module.py")) == []
