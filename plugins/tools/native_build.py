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
from pitome.plugins.tools.toolchain import cmake_places, find_cmake

NATIVE_OUTPUT = Path("build/native")
"""In the folder that one works in, as everything else that is built."""
NATIVE_LIBRARY = "libpitome_onnxruntime.so"


@dataclass(frozen=True)
class NativeOptions:
    """What to build, and where."""

    output: Path = NATIVE_OUTPUT
    """The folder of the library; ``cmake/`` in it is CMake's."""
    programs: Path | None = None
    """A folder of C++ programs that test the operator's core."""
    sanitize: bool = False
    """Whether the programs are built with sanitizers too, in memory/ and threads/."""


@dataclass(frozen=True)
class BuiltNative:
    """The library, and what it was built with."""

    library: Path
    highway: str
    """Version and where it is from."""
    onnxruntime: str
    """The same of its headers."""


def build_native(
    options: NativeOptions, say: Say, environment: Mapping[str, str] = os.environ
) -> BuiltNative:
    """Build; quick where nothing has changed since the last time.

    Args:
        options: what to build.
        say: is told of downloads. The compiler's own words go to stderr.
        environment: HIGHWAY_ROOT, ONNXRUNTIME_ROOT, PITOME_CACHE and PATH are looked at.

    Raises:
        InputError: something is missing and can't be fetched, or what the user named won't do.
        BackendError: CMake or a compiler failed.
    """
    cache = Path(environment.get("PITOME_CACHE") or "~/.cache/pitome").expanduser()
    highway = find_highway(environment, cache, say)
    headers = find_onnxruntime_headers(environment, cache, say)
    cmake = find_cmake(cmake_places(environment), cache, say)
    output = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    settings = output / "toolchain.cmake"
    settings.write_text(cmake_settings(highway, headers, options.programs), encoding="utf-8")
    build = CMakeBuild(
        cmake,
        Path(str(resources.files("pitome.plugins"))).resolve() / "onnxruntime",
        output / "cmake",
        settings,
        "building the operator for onnxruntime",
        "Correct what it names; without the library, models run by the function that they carry",
    )
    build.run(_targets(options), environment)
    return BuiltNative(options.output / NATIVE_LIBRARY, str(highway), str(headers))


def _targets(options: NativeOptions) -> list[str]:
    programs = [] if options.programs is None else ["programs"]
    return ["pitome_onnxruntime", *programs, *(["programs_sanitized"] if options.sanitize else [])]
