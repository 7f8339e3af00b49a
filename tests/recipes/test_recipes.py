"""CONTRIBUTING's recipes, as written: each patch is applied to a copy of the checkout, and its test runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.checkout import ROOT

FOLDER = Path(__file__).parent
GENERATED = ("docs/bundle.md",)
BUILT = ("plugin", "openvino")
"""What make has put into build/ for tests."""


class Recipe(NamedTuple):
    """A row of CONTRIBUTING's table."""

    name: str
    num_files: int
    test: str


def recipes() -> list[Recipe]:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\(#[\w-]+\) \| (\d+) \| `(.+?)` \|$", page, flags=re.MULTILINE)
    return [Recipe(name, int(num_files), test) for name, num_files, test in rows]


def run(*command: str | Path, folder: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-5000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what git has, as it lies here; links stay links."""
    copy = tmp_path / "checkout"
    for name in run("git", "ls-files", "-z", folder=ROOT).split("\0"):
        source, target = ROOT / name, copy / name
        if name and (source.exists() or source.is_symlink()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    for name in BUILT:
        if (ROOT / "build" / name).exists():
            (copy / "build").mkdir(exist_ok=True)
            (copy / "build" / name).symlink_to(ROOT / "build" / name)
    return copy


def test_every_recipe_has_a_patch() -> None:
    assert {recipe.name for recipe in recipes()} == {path.stem for path in FOLDER.glob("*.patch")}


@pytest.mark.full
@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_a_recipe_works_as_written(recipe: Recipe, checkout: Path) -> None:
    patch = FOLDER / f"{recipe.name}.patch"
    counted = run("git", "apply", "--numstat", patch, folder=checkout)
    touched = {line.split("\t")[2] for line in counted.splitlines()}
    taken = {name for name in touched if not name.startswith("tests/") and name not in GENERATED}
    assert len(taken) == recipe.num_files, sorted(taken)

    run("git", "apply", patch, folder=checkout)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *recipe.test.split()]
    # The copy's package, not the installed one.
    run(*command, folder=checkout, environment={"PYTHONPATH": str(checkout)})
