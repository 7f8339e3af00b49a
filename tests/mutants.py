"""Plant mistakes in one module, one at a time, and list those that its tests let pass (`make mutants`).

mutmut does the planting and the running. It wants a package of plain folders, so it gets a copy in
build/mutants in which the links are followed. The tests of a module are those that mirror it:
pitome/schedule.py has tests/pitome/test_schedule*.py. A survivor whose change docs/mutants.md shows, and
explains, is expected.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.checkout import ROOT

MUTMUT = ROOT / "build" / "mutmut"
"""Where `make mutants` installs mutmut, whose requirements are not those of the project."""
EXPLAINED = ROOT / "docs" / "mutants.md"
CAUGHT = ("timeout", "segfault")
"""What mutmut says of mutants that its list of results has beside the survivors."""
PROFILE = """
from hypothesis import Phase, settings

settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), database=None, deadline=None)
settings.load_profile("mutants")
"""
"""Put at the end of the copy's conftest.py: nobody reads the smallest example that kills a mutant."""


def main() -> int:
    """Run mutmut on a module; 1 where a survivor is not explained."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("module", type=Path, help="such as pitome/schedule.py")
    parser.add_argument("--tests", nargs="*", type=Path, help="test files, in place of those that mirror it")
    parser.add_argument("--without", default="", help="leave out tests with this in their name")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    tests = options.tests or mirrors_of(options.module)
    if not tests:
        sys.exit(f"{options.module}: no test file mirrors it. Name some with TESTS=")
    folder = copy_project(options.module, tests, options.without)
    command = mutmut("run", "--max-children", str(options.processes))
    if code := subprocess.run(command, cwd=folder, env=environment()).returncode:
        return code
    survivors = list(survivors_in(folder))
    explained = EXPLAINED.read_text(encoding="utf-8")
    new = [(name, change) for name, change in survivors if change not in explained]
    for name, change in new:
        print(f"\n{name}\n{change}")
    print(f"\n{len(survivors)} survived, {len(survivors) - len(new)} of them explained in {EXPLAINED.name}")
    return 1 if new else 0


def mirrors_of(module: Path) -> list[Path]:
    """The test files that mirror a module, relative to the root."""
    folder = ROOT / "tests" / module.parent
    return sorted(path.relative_to(ROOT) for path in folder.glob(f"test_{module.stem}*.py"))


def copy_project(module: Path, tests: list[Path], without: str) -> Path:
    """A fresh copy of what the tests need, with mutmut's settings for a module."""
    folder = ROOT / "build" / "mutants" / module.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("pitome", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    with (folder / "tests" / "conftest.py").open("a") as conftest:
        conftest.write(PROFILE)
    inside = module if module.parts[0] == "pitome" else Path("pitome", module)
    lines = [
        "[mutmut]",
        "source_paths=pitome",
        f"only_mutate={inside}",
        "pytest_add_cli_args_test_selection=",
        *(f"    {path}" for path in tests),
        "process_isolation=forkserver",  # PyTorch's threads do not live through a fork
        "use_git_change_detection=false",
    ]
    if without:
        lines += ["pytest_add_cli_args=", "    -k", f"    not {without}"]
    (folder / "setup.cfg").write_text("\n".join(lines) + "\n")
    return folder


def survivors_in(folder: Path) -> Iterator[tuple[str, str]]:
    """The name of every mutant that was not killed, and its changed lines as a diff without indentation."""
    for line in run("results", folder).splitlines():
        name, _, status = line.strip().rpartition(": ")
        if status in CAUGHT:
            continue
        shown = run("show", folder, name).splitlines()
        changed = [text for text in shown if text[:1] in ("-", "+") and text[:3] not in ("---", "+++")]
        change = "\n".join(f"{text[0]} {text[1:].strip()}" for text in changed)
        yield f"{name} ({status})", change


def run(command: str, folder: Path, *arguments: str) -> str:
    """What a command of mutmut prints."""
    done = subprocess.run(
        mutmut(command, *arguments),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def mutmut(*arguments: str) -> list[str]:
    """The command line of mutmut."""
    return [sys.executable, "-m", "mutmut", *arguments]


def environment() -> dict[str, str]:
    """mutmut's packages before those of this environment; one thread, as for all tests."""
    return {**os.environ, "PYTHONPATH": str(MUTMUT), "OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    sys.exit(main())
