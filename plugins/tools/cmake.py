"""Run CMake on the sources in this package."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pitome.errors import BackendError

_STDERR = 2


@dataclass(frozen=True)
class CMakeBuild:
    """One build by CMake."""

    cmake: Path
    source: Path
    """The folder of CMakeLists.txt. In a checkout the package is a link, and CMake knows its sources by their
    path: a resolved one."""
    folder: Path
    """CMake's own, for what it makes on the way."""
    settings: Path
    """A script that sets what CMakeLists.txt asks for."""
    asked: str
    """What is built, as an error says it."""
    remedy: str
    """What to do where it fails."""

    def run(self, targets: Sequence[str], environment: Mapping[str, str]) -> None:
        """Build targets. The compiler's own words go to stderr.

        Raises:
            BackendError: CMake or a compiler failed.
        """
        self._forget_another_source()
        self._call([self.cmake, "-C", self.settings, "-S", self.source, "-B", self.folder], environment, True)
        jobs = str(len(os.sched_getaffinity(0)))
        self._call(
            [self.cmake, "--build", self.folder, "--parallel", jobs, "--target", *targets], environment, False
        )

    def _forget_another_source(self) -> None:
        """Begin anew where CMake's folder was moved, or is of another installation: CMake would refuse it."""
        cache = self.folder / "CMakeCache.txt"
        if cache.is_file():
            lines = set(cache.read_text(encoding="utf-8", errors="replace").splitlines())
            home = f"CMAKE_HOME_DIRECTORY:INTERNAL={self.source}"
            if not {home, f"CMAKE_CACHEFILE_DIR:INTERNAL={self.folder}"} <= lines:
                shutil.rmtree(self.folder)

    def _call(self, command: Sequence[str | Path], environment: Mapping[str, str], quiet: bool) -> None:
        """Run CMake; what it says is shown as it comes, or only where it fails."""
        # Started by make, a build of CMake's must not take that make's options for its own.
        outside = {
            name: value for name, value in environment.items() if name not in ("MAKEFLAGS", "MAKELEVEL")
        }
        output, errors = (subprocess.PIPE, subprocess.STDOUT) if quiet else (_STDERR, None)
        try:
            done = subprocess.run(  # noqa: S603
                command, env=outside, stdout=output, stderr=errors, text=True, check=False
            )
        except OSError as error:
            found = f"{command[0]} does not run: {error}"
            raise BackendError(self.asked, found, self.remedy) from error
        if done.returncode:
            said = "; it says:" if quiet else ", its words are above"
            lines = [f"| {line}" for line in done.stdout.strip().splitlines()] if quiet else []
            found = f"{command[0]} ended with exit code {done.returncode}{said}"
            raise BackendError(self.asked, found, self.remedy, lines)
