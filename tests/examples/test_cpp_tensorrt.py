"""examples/cpp/tensorrt compiles, links with a real library, and refuses what can be refused without a GPU.

No GPU has run it. It is compiled with the headers of TensorRT that the project has, and with made-up headers
that say to be TensorRT-RTX's; TensorRT-RTX's library from PyPI is what it is linked with.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pitome.plugins.tools.toolchain import cuda_places, find_cuda, find_tensorrt
from tests.examples.cpp_program import CACHE, build_example, run_program
from tests.examples.test_cpp_bundle import bundles, pictures, refused
from tests.shared import shared_folder

__all__ = ["bundles", "pictures"]

pytestmark = pytest.mark.slow

VERSION = "NvInferVersion.h"


def rtx_library() -> Path:
    """TensorRT-RTX's, from its Python package."""
    import tensorrt_rtx_libs

    return Path(tensorrt_rtx_libs.__file__).parent / "libtensorrt_rtx.so.1"


def rtx_headers(folder: Path) -> Path:
    """TensorRT's headers under the version of TensorRT-RTX 1.7.1, as its own headers define it.

    They say nothing of its interfaces, so what is compiled with them never calls the library's.
    """
    headers = Path(shutil.copytree(find_tensorrt(os.environ, CACHE, print).include, folder / "include"))
    text = (headers / VERSION).read_text(encoding="utf-8")
    for part, old, new in (("MAJOR", "10", "1"), ("MINOR", "14", "7"), ("PATCH", "1", "1")):
        define = f"#define TRT_{part}_ENTERPRISE {old}\n"
        assert define in text
        text = text.replace(define, f"#define TRT_{part}_RTX {new}\n")
        text = text.replace(f"TRT_{part}_ENTERPRISE", f"TRT_{part}_RTX")
    (headers / VERSION).write_text(text, encoding="utf-8")
    return headers


def build_plan(folder: Path, headers: Path) -> Path:
    """The program, linked where CUDA's runtime is there, else compiled only."""
    cuda = find_cuda(cuda_places(os.environ), CACHE, print, compiler=False)
    settings: dict[str, str | Path] = {
        "TENSORRT_INCLUDE": headers,
        "CUDA_INCLUDE": ";".join(map(str, cuda.include)),
    }
    if cuda.cudart is None:
        build_example("tensorrt", folder, settings | {"COMPILE_ONLY": "ON"}, "plan")
    else:
        settings |= {"TENSORRT_LIBRARY": rtx_library(), "CUDART_LIBRARY": cuda.cudart}
        build_example("tensorrt", folder, settings, "run_plan")
    return folder / "cmake" / "run_plan"


def linked(program: Path) -> Path:
    if not program.is_file():
        pytest.skip("compiled but not linked: CUDA's runtime library is not there")
    return program


@pytest.fixture(scope="session")
def run_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled as for TensorRT."""
    headers = find_tensorrt(os.environ, CACHE, print).include
    made = shared_folder(tmp_path_factory, "run-plan", lambda folder: build_plan(folder, headers))
    return linked(made / "cmake" / "run_plan")


@pytest.fixture(scope="session")
def run_rtx_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled as for TensorRT-RTX."""
    made = shared_folder(
        tmp_path_factory, "run-rtx-plan", lambda folder: build_plan(folder, rtx_headers(folder))
    )
    return linked(made / "cmake" / "run_plan")


def test_it_asks_for_the_library_that_it_is_linked_with(run_plan: Path) -> None:
    assert b"libtensorrt_rtx.so.1" in run_plan.read_bytes()


def test_headers_of_another_major_version_are_refused_before_anything_is_called(
    run_plan: Path, bundles: Path, pictures: list[Path]
) -> None:
    assert refused(run_program(run_plan, bundles / "images", pictures[0])) == (
        "running a plan: this program was compiled with the headers of TensorRT 10.14.1, and the library "
        "that is loaded is of version 1.7.1. Compile it with the headers of that library"
    )


@pytest.mark.full  # half a minute of compiling
@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(run_rtx_plan: Path, bundles: Path, pictures: list[Path]) -> None:
    said = refused(run_program(run_rtx_plan, bundles / "images", pictures[0]))
    assert said.startswith("running a plan: there is no NVIDIA GPU (")
    assert said.endswith("). Run the bundle's ONNX file on the CPU: examples/cpp/onnxruntime")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "an input: none is named"),
        (["--native", "1"], "--native: there is no such option"),
        (["--tensor", "input_ids=numbers"], "the input input_ids: the graphs of "),
        (["absent.ppm"], "absent.ppm: it can't be opened (No such file or directory)"),
    ],
)
def test_words_that_do_not_fit(run_plan: Path, bundles: Path, words: list[str], reason: str) -> None:
    assert reason in refused(run_program(run_plan, bundles / "images", *words))


def test_help(run_plan: Path) -> None:
    ran = run_program(run_plan, "--help")
    assert ran.code == 0
    assert ran.out.startswith("run_plan BUNDLE PICTURE.ppm... [OPTIONS]\n")
