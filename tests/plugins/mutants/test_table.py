"""Every mutant of the C++ table still applies, and, built one after another, a test fails with each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.plugins.mutants.table import MUTANTS, Mutant

NATIVE = ("cpu", "onnxruntime")
"""Folders of plugins/ that make the operator for onnxruntime; the others make the plugin."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}: {mutant.old.strip()}")
def test_a_mutant_applies_exactly_once(mutant: Mutant) -> None:
    assert (ROOT / "plugins" / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert (ROOT / "tests" / "plugins" / mutant.check).is_file()


def test_there_are_forty_or_more() -> None:
    assert len(set(MUTANTS)) == len(MUTANTS) >= 40


def is_native(mutant: Mutant) -> bool:
    return mutant.file.split("/")[0] in NATIVE


@pytest.mark.full
@pytest.mark.parametrize("check", dict.fromkeys(mutant.check for mutant in MUTANTS))
def test_a_check_fails_with_each_of_its_mutants(check: str, tmp_path: Path) -> None:
    mutants = [mutant for mutant in MUTANTS if mutant.check == check]
    (kind,) = {"--native" if is_native(mutant) else "--host" for mutant in mutants}
    copy_sources(tmp_path)
    assert build(tmp_path, kind)
    assert passes(tmp_path, check), f"{check} fails without a mutant"
    survivors = []
    for mutant in mutants:
        path = tmp_path / "plugins" / mutant.file
        right = path.read_text(encoding="utf-8")
        path.write_text(right.replace(mutant.old, mutant.new), encoding="utf-8")
        assert build(tmp_path, kind), f"does not compile: {mutant}"
        if passes(tmp_path, check):
            survivors.append(mutant)
        path.write_text(right, encoding="utf-8")
    assert survivors == []


def copy_sources(folder: Path) -> None:
    """The C++ sources as a copy, with the package around them; all else by links."""
    shutil.copytree(ROOT / "plugins", folder / "plugins")
    shutil.copytree(ROOT / "pitome", folder / "pitome", symlinks=True)
    for name in ("export", "validate", "engine", "cli", "tests"):
        (folder / name).symlink_to(ROOT / name)


def build(folder: Path, kind: str) -> bool:
    programs = "tests/plugins/cpu" if kind == "--native" else "tests/plugins"
    return run(folder, "-m", "pitome", "plugin", kind, "--programs", programs)


def passes(folder: Path, check: str) -> bool:
    """Whether a test file passes with the libraries in a folder, which it looks for from where it starts."""
    words = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not full")
    return run(folder, *words, str(ROOT / "tests" / "plugins" / check))


def run(folder: Path, *words: str) -> bool:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, check=False
    )
    return done.returncode == 0
