"""Build the operator for onnxruntime from the sources in this package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pitome.plugins.tools.cmake import CMakeBuild
from pitome.plugins.tools.native_toolchain import find_highway, find_onnxruntime_headers
from pitome.plugins.tools.native_toolchain import settings as cmake_settings
from pitome.plugins.tools.pinned_wheels import Say
from pitome.plugins.tools.toolchain import cmake_places, cuda_places, find_cmake, find_cuda

NATIVE_OUTPUT = Path("build/native")
"""In the folder that one works in, as everything else that is built."""
NATIVE_CUDA_OUTPUT = Path("build/native-cuda")
"""The same of a build with CUDA."""
NATIVE_LIBRARY = "libpitome_onnxruntime.so"
NATIVE_HOST_LIBRARY = "libpitome_onnxruntime_host.so"
"""The operator for CUDA, run by the CPU: test equipment."""


@dataclass(frozen=True)
class NativeOptions:
    """What to build, and where."""

    output: Path = NATIVE_OUTPUT
    """The folder of the libraries; ``cmake/`` in it is CMake's."""
    cuda: bool = False
    """Whether the operator for CUDA is built too, for GPUs and for the CPU."""
    host: bool = False
    """With ``cuda``: only the operator for CUDA, and for the CPU. It needs CUDA's headers, but no nvcc."""
    programs: Path | None = None
    """A folder of C++ programs that test the operator's core."""
    sanitize: bool = False
    """Whether the programs are built with sanitizers too, in memory/ and threads/."""


@dataclass(frozen=True)
class BuiltNative:
    """The libraries, and what they were built with."""

    libraries: tuple[Path, ...]
    highway: str
    """Version and where it is from."""
    onnxruntime: str
    """The same of its headers."""
    cuda: str | None
    """The same of CUDA; None without it."""


def build_native(
    options: NativeOptions, say: Say, environment: Mapping[str, str] = os.environ
) -> BuiltNative:
    """Build; quick where nothing has changed since the last time.

    Args:
        options: what to build.
        say: is told of downloads. The compiler's own words go to stderr.
        environment: HIGHWAY_ROOT, ONNXRUNTIME_ROOT, PITOME_CACHE and PATH are looked at; with CUDA also
            CUDA_HOME and PITOME_CUDA.

    Raises:
        InputError: something is missing and can't be fetched, or what the user named won't do.
        BackendError: CMake or a compiler failed.
    """
    cache = Path(environment.get("PITOME_CACHE") or "~/.cache/pitome").expanduser()
    highway = find_highway(environment, cache, say)
    headers = find_onnxruntime_headers(environment, cache, say)
    cuda = None
    if options.cuda:
        cuda = find_cuda(cuda_places(environment), cache, say, compiler=not options.host)
    cmake = find_cmake(cmake_places(environment), cache, say)
    output = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    settings = output / "toolchain.cmake"
    settings.write_text(cmake_settings(highway, headers, options.programs, cuda), encoding="utf-8")
    build = CMakeBuild(
        cmake,
        Path(str(resources.files("pitome.plugins"))).resolve() / "onnxruntime",
        output / "cmake",
        settings,
        "building the operator for onnxruntime",
        "Correct what it names; without the library, models run by the function that they carry",
    )
    build.run(_targets(options), environment)
    libraries = tuple(options.output / name for name in _libraries(options))
    return BuiltNative(libraries, str(highway), str(headers), None if cuda is None else str(cuda))


def _libraries(options: NativeOptions) -> list[str]:
    if options.host:
        return [NATIVE_HOST_LIBRARY]
    return [NATIVE_LIBRARY, NATIVE_HOST_LIBRARY] if options.cuda else [NATIVE_LIBRARY]


def _targets(options: NativeOptions) -> list[str]:
    programs = [] if options.programs is None else ["programs"]
    libraries = [name.removeprefix("lib").removesuffix(".so") for name in _libraries(options)]
    return [*libraries, *programs, *(["programs_sanitized"] if options.sanitize else [])]
