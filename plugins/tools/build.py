"""Build the plugin library from the sources in this package, with the toolchain that is found or fetched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pitome.plugins.tools.cmake import CMakeBuild
from pitome.plugins.tools.pinned_wheels import Say
from pitome.plugins.tools.toolchain import cmake_places, cuda_places, find_cmake, find_cuda, find_tensorrt
from pitome.plugins.tools.toolchain import settings as cmake_settings

OUTPUT = Path("build/plugin")
"""In the folder that one works in, as everything else that is built."""
DEVICE_LIBRARY = "libpitome_plugin.so"
HOST_LIBRARY = "libpitome_plugin_host.so"


@dataclass(frozen=True)
class PluginOptions:
    """What to build, and where."""

    output: Path = OUTPUT
    """The folder of the libraries; ``cmake/`` in it is CMake's."""
    host: bool = False
    """Only the build for the CPU, which tests use. It needs CUDA's headers, but no nvcc."""
    programs: Path | None = None
    """A folder of C++ programs that test the build for the CPU."""
    sanitize: bool = False
    """Whether the programs, and the library for them, are built with sanitizers too."""


@dataclass(frozen=True)
class BuiltPlugin:
    """The libraries, and what they were built with."""

    libraries: tuple[Path, ...]
    cuda: str
    """Version and where it is from."""
    tensorrt: str
    """The same of its headers."""


def build_plugin(
    options: PluginOptions, say: Say, environment: Mapping[str, str] = os.environ
) -> BuiltPlugin:
    """Build; quick where nothing has changed since the last time.

    Args:
        options: what to build.
        say: is told of downloads and of what an installed tool lacks. The compiler's own words go to stderr.
        environment: CUDA_HOME, TENSORRT_ROOT, PITOME_CUDA, PITOME_CACHE and PATH are looked at.

    Raises:
        InputError: a tool is missing and can't be fetched, or one that the user named won't do.
        BackendError: CMake or a compiler failed.
    """
    cache = Path(environment.get("PITOME_CACHE") or "~/.cache/pitome").expanduser()
    cuda = find_cuda(cuda_places(environment), cache, say, compiler=not options.host)
    tensorrt = find_tensorrt(environment, cache, say)
    cmake = find_cmake(cmake_places(environment), cache, say)
    output = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    settings = output / "toolchain.cmake"
    settings.write_text(cmake_settings(cuda, tensorrt, options.programs), encoding="utf-8")
    build = CMakeBuild(
        cmake,
        Path(str(resources.files("pitome.plugins"))).resolve(),
        output / "cmake",
        settings,
        "building the plugin",
        "Correct what it names; PITOME_CUDA=wheels builds with the toolkit from PyPI instead of an own one",
    )
    build.run(_targets(options), environment)
    names = (HOST_LIBRARY,) if options.host else (DEVICE_LIBRARY, HOST_LIBRARY)
    return BuiltPlugin(tuple(options.output / name for name in names), str(cuda), str(tensorrt))


def _targets(options: PluginOptions) -> list[str]:
    targets = ["pitome_plugin_host"] if options.host else ["pitome_plugin", "pitome_plugin_host"]
    if options.programs is None:
        return targets
    return [*targets, "host", *(["host_sanitized"] if options.sanitize else [])]
