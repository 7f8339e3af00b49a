"""The kernels are compiled for one GPU, by nvcc alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pitome.errors import BackendError, InputError
from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import MergeLibrary, Parameters, Shape
from pitome.version import __version__
from tests.checkout import ROOT
from tests.plugins.fake_installations import index_is, script, toolkit
from tests.plugins.gpu_kernels.library import OPTIONS, build_kernels

COMPILE = """for last; do :; done
echo "$@" > "$last"
"""
"""What a toolkit's program does beside its answers: it writes what it was asked for where the result goes."""


def environment_of(nvcc: Path) -> dict[str, str]:
    return {"CUDACXX": str(nvcc), "PATH": os.environ["PATH"], "PITOME_CACHE": "/nonexistent"}


def fake_nvcc(folder: Path, compiling: str) -> Path:
    nvcc = toolkit(folder)
    answers = (
        nvcc.read_text(encoding="utf-8")
        .removeprefix("#!/bin/sh\n")
        .replace("\nesac", "\n*) " + compiling + ";;\nesac")
    )
    return script(nvcc, answers)


def test_all_sources_are_compiled_once(tmp_path: Path) -> None:
    environment = environment_of(fake_nvcc(tmp_path / "cuda", COMPILE))
    said: list[str] = []
    library = build_kernels((8, 9), tmp_path / "out", said.append, environment)
    assert re.fullmatch(r"libpitome_kernels_sm_89_[0-9a-f]{12}\.so", library.name)
    words = library.read_text(encoding="utf-8").split()
    assert {*OPTIONS, "-arch=sm_89", "-shared", f'-DPITOME_VERSION="{__version__}"'} <= set(words)
    sources = {Path(word).name for word in words if word.endswith((".cu", ".cpp"))}
    kernels = ROOT / "plugins" / "kernels"
    assert sources == {file.name for file in kernels.iterdir() if file.suffix in (".cu", ".cpp")}
    assert len(said) == 1
    assert said[0].startswith("compiling the kernels for sm_89 with CUDA 13.0 from CUDACXX=")
    assert build_kernels((8, 9), tmp_path / "out", said.append, environment) == library
    assert len(said) == 1, "the second time it is there"
    assert build_kernels((9, 0), tmp_path / "out", said.append, environment) != library


def test_the_code_is_what_cmake_asks_for() -> None:
    text = (ROOT / "plugins" / "kernels" / "compile.cmake").read_text(encoding="utf-8")
    command = re.search(r'set\(command "\$\{PITOME_NVCC\}"(.+?)\)\n', text, flags=re.DOTALL)
    assert command is not None
    without_code = ("-Werror", "all-warnings", "-Xptxas=-v", "-ccbin", '"${CMAKE_CXX_COMPILER}"')
    asked = [word for word in command[1].split() if word not in without_code]
    assert asked == [*OPTIONS, "-Xcompiler=-Wall,-fPIC,-fvisibility=hidden"]


def test_a_compiler_that_fails(tmp_path: Path) -> None:
    nvcc = fake_nvcc(tmp_path / "cuda", "echo no such header; exit 3")
    with pytest.raises(
        BackendError, match=r"nvcc ended with exit code 3; its words are in (\S+)\. "
    ) as caught:
        build_kernels((8, 9), tmp_path / "out", lambda _: None, environment_of(nvcc))
    log = re.search(r"are in (\S+)\. ", str(caught.value))
    assert log is not None
    assert Path(log[1]).read_text(encoding="utf-8") == "no such header\n"
    assert not list((tmp_path / "out").glob("*.so"))
    assert str(caught.value).endswith("give a library that `make plugin` built elsewhere as PLUGIN=")


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_is(tmp_path / "index", monkeypatch)
    environment = {"PITOME_CUDA": "wheels", "PITOME_CACHE": str(tmp_path / "cache"), "PATH": ""}
    with pytest.raises(InputError, match="Install the CUDA toolkit and set CUDA_HOME"):
        build_kernels((8, 9), tmp_path / "out", lambda _: None, environment)


@pytest.mark.full
def test_it_really_compiles_and_loads(tmp_path: Path) -> None:
    """No GPU is needed to load it and to ask for what needs none."""
    library = MergeLibrary(build_kernels((9, 0), tmp_path, lambda _: None, os.environ))
    assert library.version() == __version__
    parameters = Parameters.of(MergeParameters(19, 176))
    assert library.check(parameters, Shape(1, 197, 768, 64, 1)) == ""
    assert "num_candidates=176" in library.check(parameters, Shape(1, 100, 768, 64, 1))
