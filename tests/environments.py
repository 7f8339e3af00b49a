"""Environments that hold exactly what an extra brings, made in seconds.

Installing PyTorch again would take minutes and a gigabyte. So the third-party packages are links to those of
the environment that runs the tests; pip installs the wheel itself, without its dependencies. What is neither
named by the extra nor needed by what it names is not there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.checkout import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def requirements(extra: str | None) -> list[str]:
    """What pyproject.toml asks for: the core, and an extra with those that it includes."""
    found = list(PROJECT["dependencies"])
    for line in EXTRAS[extra] if extra else ():
        requirement = Requirement(line)
        if requirement.name == PROJECT["name"]:
            for included in requirement.extras:
                found += requirements(included)
        else:
            found.append(line)
    return list(dict.fromkeys(found))


def with_dependencies(lines: Iterable[str]) -> list[metadata.Distribution]:
    """The installed distributions that these requirements bring, with all that they need themselves."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [Requirement(line) for line in lines]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        distribution = metadata.distribution(requirement.name)
        found[canonicalize_name(requirement.name)] = distribution
        for line in distribution.requires or ():
            needed = Requirement(line)
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return list(found.values())


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Where its packages lie."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def pip(self, *arguments: str | Path) -> None:
        """Run pip for it."""
        words = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.python,
            "--disable-pip-version-check",
            "--quiet",
        ]
        self._checked([*words, *arguments], Path.cwd())

    def run(self, folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of its programs in a folder; nothing of the checkout is on the import path."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"PITOME_CACHE": str(folder / "cache"), "COLUMNS": "200"}
        program, *rest = words
        return subprocess.run(
            [self.folder / "bin" / program, *rest],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, folder: Path, *words: str | Path) -> str:
        """What such a program prints; it must succeed."""
        done = self.run(folder, *words)
        assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def _checked(self, words: list[str | Path], folder: Path) -> None:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"


def make_environment(folder: Path, distributions: Iterable[metadata.Distribution]) -> Environment:
    """A virtual environment without pip that holds these distributions, by links."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    environment = Environment(folder)
    for distribution in distributions:
        for path in _tops(distribution):
            link = environment.site_packages / path.name
            if not link.exists():
                link.symlink_to(path)
    return environment


def _tops(distribution: metadata.Distribution) -> Iterator[Path]:
    """The files and folders at the top of site-packages that a distribution has something in."""
    assert distribution.files is not None
    for name in dict.fromkeys(file.parts[0] for file in distribution.files):
        if name not in ("..", "__pycache__"):
            yield Path(str(distribution.locate_file(name)))
