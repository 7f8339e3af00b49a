"""The C++ examples, built by their own CMake files with the headers that the project finds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from pitome.plugins.tools.cmake import CMakeBuild
from pitome.plugins.tools.toolchain import cmake_places, find_cmake
from tests.checkout import ROOT
from tests.shared import shared_folder

CACHE = Path(os.environ.get("PITOME_CACHE") or "~/.cache/pitome").expanduser()
EXAMPLES = ROOT / "examples" / "cpp"


def build_example(name: str, folder: Path, settings: Mapping[str, str | Path], target: str) -> None:
    """Build a target of examples/cpp/NAME in a folder, all warnings being errors."""
    lines = [f'set({key} [==[{value}]==] CACHE STRING "")' for key, value in settings.items()]
    lines.append('set(CMAKE_CXX_FLAGS "-Werror" CACHE STRING "")')
    (folder / "settings.cmake").write_text("\n".join(lines) + "\n", encoding="utf-8")
    cmake = find_cmake(cmake_places(os.environ), CACHE, print)
    build = CMakeBuild(
        cmake, EXAMPLES / name, folder / "cmake", folder / "settings.cmake", f"building {name}", "Correct it"
    )
    build.run([target], os.environ)


@dataclass(frozen=True)
class Ran:
    """What a program did."""

    code: int
    out: str
    err: str


def run_program(program: Path, *words: str | Path) -> Ran:
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=120, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def run_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """examples/cpp/onnxruntime, built as `make example` builds it; a warning is an error."""

    def make(folder: Path) -> None:
        done = subprocess.run(
            [sys.executable, EXAMPLES / "build.py", folder / "example"],
            env={**os.environ, "CXXFLAGS": "-Werror", "PITOME_CACHE": str(CACHE)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, f"{folder}/example/run_bundle\n"), done.stderr[-5000:]

    return shared_folder(tmp_path_factory, "run-bundle", make) / "example" / "run_bundle"
