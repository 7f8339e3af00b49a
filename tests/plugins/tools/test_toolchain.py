"""The search for nvcc, headers and CMake: what comes first, and what each refusal says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from pitome.errors import InputError
from pitome.plugins.tools.pinned_wheels import CUDA, CUDA_HEADERS, TENSORRT_HEADERS, Unusable
from pitome.plugins.tools.toolchain import (
    Place,
    cmake_places,
    cuda_places,
    find_cmake,
    find_cuda,
    find_tensorrt,
    read_cuda,
    settings,
    tensorrt_version,
)
from pitome.version import __version__
from tests.checkout import ROOT
from tests.plugins.fake_installations import headers, index_is, script, toolkit

BUILT_SETTINGS = ROOT / "build" / "plugin" / "toolchain.cmake"


@pytest.fixture(autouse=True)
def empty_package_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    index_is(tmp_path / "wheels", monkeypatch)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


# --- CUDA -------------------------------------------------------------------------------------------------


def test_order_of_the_places(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    for name in ("cuda-9.2", "cuda-12.9", "cuda-13.0"):
        toolkit(usual / name)
    on_path = toolkit(tmp_path / "path")
    environment = {
        "PATH": str(on_path.parent),
        "CUDA_PATH": "/the/path",
        "CUDA_HOME": "/the/home",
        "CUDACXX": "/the/nvcc",
    }
    places = cuda_places(environment, usual)
    assert [(place.label, place.nvcc) for place in places] == [
        ("CUDACXX=/the/nvcc", Path("/the/nvcc")),
        ("CUDA_HOME=/the/home", Path("/the/home/bin/nvcc")),
        ("CUDA_PATH=/the/path", Path("/the/path/bin/nvcc")),
        ("PATH", on_path),
        *(("the usual folders", usual / f"cuda-{number}/bin/nvcc") for number in ("13.0", "12.9", "9.2")),
    ]
    assert [place.named for place in places] == [True] * 3 + [False] * 4


def test_name_in_cudacxx_is_looked_up(tmp_path: Path) -> None:
    compiler = script(tmp_path / "bin" / "nvcc-13", "")
    place = cuda_places({"PATH": str(compiler.parent), "CUDACXX": "nvcc-13"}, tmp_path)[0]
    assert (place.label, place.nvcc) == ("CUDACXX=nvcc-13", compiler)


def test_wheels_can_be_asked_for(tmp_path: Path) -> None:
    assert cuda_places({"PITOME_CUDA": "wheels", "CUDA_HOME": "/the/home"}, tmp_path) == []
    with pytest.raises(
        InputError, match=r"PITOME_CUDA=weels: unknown\. Use PITOME_CUDA=wheels, or leave it unset"
    ):
        cuda_places({"PITOME_CUDA": "weels"}, tmp_path)


def test_first_usable_toolkit_is_taken(tmp_path: Path, cache: Path, said: list[str]) -> None:
    old, first, second = (
        toolkit(tmp_path / name, release) for name, release in (("a", "11.8"), ("b", "12.8"), ("c", "13.0"))
    )
    cuda = find_cuda([Place("PATH", old), Place("one", first), Place("two", second)], cache, said.append)
    assert (cuda.nvcc, cuda.version, cuda.origin) == (first, (12, 8), "one")
    assert cuda.include == (tmp_path / "b/include", tmp_path / "b/include/cccl")
    assert cuda.cudart == tmp_path / "b/lib64/libcudart_static.a"
    assert said == []


def test_script_elsewhere_leads_to_its_toolkit(tmp_path: Path) -> None:
    nvcc = toolkit(tmp_path / "cuda")
    wrapper = script(tmp_path / "bin" / "nvcc", f'exec {nvcc} "$@"')
    cuda = read_cuda(wrapper, "PATH")
    assert (cuda.nvcc, cuda.cudart) == (wrapper, tmp_path / "cuda/lib64/libcudart_static.a")


def test_script_leads_to_the_real_toolkit(tmp_path: Path) -> None:
    if not BUILT_SETTINGS.exists():
        pytest.fail(f"{BUILT_SETTINGS} is missing: run `make plugin` first")
    built = dict(re.findall(r"set\((\w+) \[==\[(.*)\]==\]", BUILT_SETTINGS.read_text(encoding="utf-8")))
    wrapper = script(tmp_path / "nvcc", f'exec {built["PITOME_NVCC"]} "$@"')
    cuda = read_cuda(wrapper, "here")
    assert str(cuda.cudart) == built["PITOME_CUDART"]
    assert ";".join(map(str, cuda.include)) == built["PITOME_CUDA_INCLUDE"]


def test_named_place_must_do(tmp_path: Path, cache: Path, said: list[str]) -> None:
    """Although a toolkit that would do stands behind it."""
    usual = toolkit(tmp_path / "usual" / "cuda")
    places = cuda_places({"CUDA_HOME": "/no/such/folder"}, tmp_path / "usual")
    assert places[-1].nvcc == usual
    with pytest.raises(InputError) as caught:
        find_cuda(places, cache, said.append)
    assert str(caught.value) == (
        "CUDA_HOME=/no/such/folder: no file /no/such/folder/bin/nvcc. Correct or unset the variable, or set "
        "PITOME_CUDA=wheels to use the compiler from PyPI"
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"release": "12.6"}, "nvcc is CUDA 12.6, older than 12.8"),
        ({"cudart": False}, "has no libcudart_static.a"),
        ({"library": False}, "has no nv/target, which cuda_fp16.h needs (package cuda-cccl)"),
    ],
)
def test_unfit_toolkit_is_refused(tmp_path: Path, options: dict, reason: str) -> None:
    nvcc = toolkit(tmp_path / "cuda", **options)
    with pytest.raises(Unusable, match=re.escape(reason)):
        read_cuda(nvcc, "here")


def test_other_program_named_nvcc_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="says 'good morning', which is not what nvcc says"):
        read_cuda(script(tmp_path / "nvcc", "echo good morning"), "here")


def test_toolkit_without_headers_is_refused(tmp_path: Path) -> None:
    nvcc = toolkit(tmp_path / "cuda")
    (tmp_path / "cuda/include/cuda_fp16.h").unlink()
    with pytest.raises(Unusable, match=r"has no cuda_fp16\.h and cuda_runtime_api\.h"):
        read_cuda(nvcc, "here")


def test_no_cuda_anywhere(tmp_path: Path, cache: Path, said: list[str]) -> None:
    old = toolkit(tmp_path / "old", "11.8")
    places = cuda_places({"PATH": str(old.parent)}, tmp_path / "usual")
    with pytest.raises(InputError) as caught:
        find_cuda(places, cache, said.append)
    lines = str(caught.value).splitlines()
    assert lines[:6] == [
        "nvcc of CUDA 12.8 or newer: not found; looked in",
        "  - CUDACXX, which is not set: none",
        "  - CUDA_HOME, which is not set: none",
        "  - CUDA_PATH, which is not set: none",
        f"  - PATH: {old} is CUDA 11.8, older than 12.8",
        f"  - {tmp_path}/usual/cuda*/bin: none",
    ]
    assert lines[6].startswith("  - PyPI (cuda-13.0): pip could not download it (ERROR: ")
    assert caught.value.remedy == (
        "Install the CUDA toolkit and set CUDA_HOME to its folder, or run where PyPI can be reached"
    )
    assert caught.value.exit_code == 2
    assert (
        "downloading nvidia-cuda-nvcc==13.0.88, nvidia-nvvm==13.0.88, nvidia-cuda-runtime==13.0.96"
        in said[-1]
    )
    assert "(105 MB, unpacked 280 MB)" in said[-1]
    assert list(cache.iterdir()) == []


def test_headers_are_enough_for_the_host(tmp_path: Path, cache: Path, said: list[str]) -> None:
    """A named place that has no compiler is then no obstacle, and the compiler isn't asked of PyPI."""
    folder = CUDA_HEADERS.folder(cache)
    toolkit(folder)
    (folder / "include/cuda_runtime_api.h").write_text("#define CUDART_VERSION  13000\n", encoding="utf-8")
    places = cuda_places({"CUDA_HOME": "/no/such/folder"}, tmp_path / "usual")
    cuda = find_cuda(places, cache, said.append, compiler=False)
    assert (cuda.nvcc, cuda.cudart, cuda.version) == (None, None, (13, 0))
    assert cuda.include == (folder / "include", folder / "include/cccl")
    assert said == []


def test_host_takes_the_whole_toolkit_where_it_is_in_the_cache(cache: Path, said: list[str]) -> None:
    nvcc = toolkit(CUDA.folder(cache))
    assert find_cuda([], cache, said.append, compiler=False).nvcc == nvcc


# --- TensorRT ---------------------------------------------------------------------------------------------


def test_tensorrt_root_comes_before_the_system(tmp_path: Path, cache: Path, said: list[str]) -> None:
    system = headers(tmp_path / "system", "10.9")
    own = headers(tmp_path / "own/include", "10.7", alias=True)
    found = find_tensorrt({"TENSORRT_ROOT": str(tmp_path / "own")}, cache, said.append, [system])
    assert (found.include, found.version) == (own, (10, 7))
    assert found.origin == f"TENSORRT_ROOT={tmp_path}/own"
    found = find_tensorrt({}, cache, said.append, [tmp_path, system])
    assert (found.include, found.version) == (system, (10, 9))


def test_debian_layout_of_tensorrt_root(tmp_path: Path, cache: Path, said: list[str]) -> None:
    own = headers(tmp_path / "include/x86_64-linux-gnu", "11.4")
    assert find_tensorrt({"TENSORRT_ROOT": str(tmp_path)}, cache, said.append, []).include == own


@pytest.mark.parametrize(
    ("version", "text", "reason"),
    [
        ("8.6", None, "are of TensorRT 8.6, older than 10.7"),
        ("10.6", None, "are of TensorRT 10.6, older than 10.7"),
        (
            "1.4",
            "#define TRT_MAJOR_RTX 1\n",
            "are of TensorRT-RTX 1.4; the plugin, which that takes",
        ),
        ("x.y", None, "defines no NV_TENSORRT_MAJOR and NV_TENSORRT_MINOR"),
    ],
)
def test_other_headers_in_tensorrt_root_are_refused(
    tmp_path: Path, cache: Path, said: list[str], version: str, text: str | None, reason: str
) -> None:
    """Although the system has headers that would do."""
    system = headers(tmp_path / "system")
    include = headers(tmp_path / "include", version)
    if text:
        (include / "NvInferVersion.h").write_text(text + (include / "NvInferVersion.h").read_text())
    with pytest.raises(InputError, match=re.escape(reason)) as caught:
        find_tensorrt({"TENSORRT_ROOT": str(tmp_path)}, cache, said.append, [system])
    assert caught.value.asked == f"TENSORRT_ROOT={tmp_path}"
    assert str(include) in caught.value.found
    assert (
        caught.value.remedy == "Point TENSORRT_ROOT at the folder of TensorRT that has include/, or unset it"
    )


def test_tensorrt_root_without_headers(tmp_path: Path, cache: Path, said: list[str]) -> None:
    with pytest.raises(InputError, match=re.escape(f"no NvInferVersion.h in {tmp_path}/include. Point")):
        find_tensorrt({"TENSORRT_ROOT": str(tmp_path)}, cache, said.append)


def test_headers_without_the_plugin_class_are_refused(tmp_path: Path) -> None:
    include = headers(tmp_path, plugin=False)
    reason = "are incomplete: no IPluginV3 behind NvInferRuntimePlugin.h"
    with pytest.raises(Unusable, match=reason):
        tensorrt_version(include)
    (include / "NvInferRuntimePlugin.h").write_text("class IPluginV3OneCore;\n", encoding="utf-8")
    with pytest.raises(Unusable, match=reason):
        tensorrt_version(include)


def test_old_headers_of_the_system_are_passed_over_aloud(
    tmp_path: Path, cache: Path, said: list[str]
) -> None:
    old = headers(tmp_path / "old", "8.6")
    headers(TENSORRT_HEADERS.folder(cache))
    found = find_tensorrt({}, cache, said.append, [old])
    assert found.origin == "PyPI (tensorrt-headers-10.14)"
    assert said == [f"the headers in {old} are of TensorRT 8.6, older than 10.7; not used"]


def test_no_tensorrt_anywhere(tmp_path: Path, cache: Path, said: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        find_tensorrt({}, cache, said.append, [tmp_path / "one", headers(tmp_path / "two", "8.6")])
    lines = str(caught.value).splitlines()
    assert lines[:4] == [
        "TensorRT headers, version 10.7 or newer: not found; looked in",
        "  - TENSORRT_ROOT, which is not set",
        f"  - no NvInferVersion.h in {tmp_path}/one",
        f"  - the headers in {tmp_path}/two are of TensorRT 8.6, older than 10.7",
    ]
    assert lines[4].startswith("  - PyPI (tensorrt-headers-10.14): pip could not download it (ERROR: ")
    assert caught.value.remedy == (
        "Install TensorRT and set TENSORRT_ROOT to its folder, or run where PyPI can be reached"
    )


# --- CMake ------------------------------------------------------------------------------------------------


def test_first_new_enough_cmake_is_taken(tmp_path: Path, cache: Path, said: list[str]) -> None:
    script(tmp_path / "a/cmake", "echo cmake version 3.20.9")
    cmake = script(tmp_path / "b/cmake", "echo cmake version 3.21.1")
    script(tmp_path / "c/cmake", "echo cmake version 4.0.0")
    places = {name: str(tmp_path / name) for name in ("none", "a", "b", "c")}
    assert find_cmake(places, cache, said.append) == cmake


def test_path_comes_before_python() -> None:
    assert list(cmake_places({"PATH": "/some:/folders"}).items()) == [
        ("PATH", "/some:/folders"),
        (str(Path(sys.executable).parent), str(Path(sys.executable).parent)),
    ]


def test_no_cmake_that_is_new_enough(tmp_path: Path, cache: Path, said: list[str]) -> None:
    old = script(tmp_path / "old/cmake", "echo cmake version 3.16.3")
    broken = script(tmp_path / "broken/cmake", "")
    broken.write_bytes(b"\x7fELF")
    places = {"one": str(old.parent), "two": str(broken.parent), "three": str(tmp_path)}
    with pytest.raises(InputError) as caught:
        find_cmake(places, cache, said.append)
    lines = str(caught.value).splitlines()
    assert lines[:2] == ["cmake 3.21 or newer: not found; looked in", f"  - one: {old} is version 3.16.3"]
    assert lines[2].startswith(f"  - two: {broken} does not run: ")
    assert lines[3] == "  - three: none"
    assert lines[4].startswith("  - PyPI (cmake-4.4.5): ")
    assert caught.value.remedy == "Install cmake, or run where PyPI can be reached"


# --- the settings -----------------------------------------------------------------------------------------


def test_settings_name_what_was_found(tmp_path: Path, cache: Path, said: list[str]) -> None:
    cuda = read_cuda(toolkit(tmp_path / "cuda"), "PATH")
    tensorrt = find_tensorrt({}, cache, said.append, [headers(tmp_path / "tensorrt")])
    include = tmp_path / "cuda/include"
    assert settings(cuda, tensorrt).splitlines() == [
        "# CUDA 13.0 from PATH",
        f"# TensorRT 10.14 headers from {tmp_path}/tensorrt",
        f'set(PITOME_VERSION [==[{__version__}]==] CACHE STRING "" FORCE)',
        f'set(PITOME_NVCC [==[{tmp_path}/cuda/bin/nvcc]==] CACHE STRING "" FORCE)',
        f'set(PITOME_CUDART [==[{tmp_path}/cuda/lib64/libcudart_static.a]==] CACHE STRING "" FORCE)',
        f'set(PITOME_CUDA_INCLUDE [==[{include};{include}/cccl]==] CACHE STRING "" FORCE)',
        f'set(PITOME_TENSORRT_INCLUDE [==[{tmp_path}/tensorrt]==] CACHE STRING "" FORCE)',
    ]


def test_settings_name_the_test_programs_where_they_are_asked_for(tmp_path: Path, cache: Path) -> None:
    cuda = read_cuda(toolkit(tmp_path / "cuda"), "PATH")
    tensorrt = find_tensorrt({}, cache, lambda _: None, [headers(tmp_path / "tensorrt")])
    programs = f'set(PITOME_PROGRAMS [==[{tmp_path}]==] CACHE STRING "" FORCE)'
    assert programs in settings(cuda, tensorrt, tmp_path).splitlines()
    assert "PITOME_PROGRAMS" not in settings(cuda, tensorrt), "CMake keeps those of an earlier build"
