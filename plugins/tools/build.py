"""Build the plugin library from the sources in this package, with the toolchain that is found or fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pitome.errors import BackendError
from pitome.plugins.tools.pinned_wheels import Say
from pitome.plugins.tools.toolchain import cmake_places, cuda_places, find_cmake, find_cuda, find_tensorrt
from pitome.plugins.tools.toolchain import settings as cmake_settings

OUTPUT = Path("build/plugin")
"""In the folder that one works in, as everything else that is built."""
DEVICE_LIBRARY = "libpitome_plugin.so"
HOST_LIBRARY = "libpitome_plugin_host.so"
_STDERR = 2


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
    # Resolved: in a checkout the folder in the package is a link, and CMake knows its sources by their path.
    source = Path(str(resources.files("pitome.plugins"))).resolve()
    folder = output / "cmake"
    _forget_another_source(folder, source)
    _run([cmake, "-C", settings, "-S", source, "-B", folder], environment, quiet=True)
    targets = _targets(options)
    jobs = str(len(os.sched_getaffinity(0)))
    _run([cmake, "--build", folder, "--parallel", jobs, "--target", *targets], environment)
    names = (HOST_LIBRARY,) if options.host else (DEVICE_LIBRARY, HOST_LIBRARY)
    return BuiltPlugin(tuple(options.output / name for name in names), str(cuda), str(tensorrt))


def _targets(options: PluginOptions) -> list[str]:
    targets = ["pitome_plugin_host"] if options.host else ["pitome_plugin", "pitome_plugin_host"]
    if options.programs is None:
        return targets
    return [*targets, "host", *(["host_sanitized"] if options.sanitize else [])]


def _forget_another_source(folder: Path, source: Path) -> None:
    """Begin anew where CMake's folder was moved, or is of another installation: CMake would refuse it."""
    cache = folder / "CMakeCache.txt"
    if cache.is_file():
        lines = cache.read_text(encoding="utf-8", errors="replace").splitlines()
        if not {f"CMAKE_HOME_DIRECTORY:INTERNAL={source}", f"CMAKE_CACHEFILE_DIR:INTERNAL={folder}"} <= {
            *lines
        }:
            shutil.rmtree(folder)


def _run(command: Sequence[str | Path], environment: Mapping[str, str], quiet: bool = False) -> None:
    """Run CMake; what it says is shown as it comes, or only where it fails."""
    # Started by make, a build of CMake's must not take that make's options for its own.
    outside = {name: value for name, value in environment.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    output, errors = (subprocess.PIPE, subprocess.STDOUT) if quiet else (_STDERR, None)
    try:
        done = subprocess.run(  # noqa: S603
            command, env=outside, stdout=output, stderr=errors, text=True, check=False
        )
    except OSError as error:
        raise _failure(f"{command[0]} does not run: {error}") from error
    if done.returncode:
        said = "; it says:" if quiet else ", its words are above"
        lines = [f"| {line}" for line in done.stdout.strip().splitlines()] if quiet else []
        raise _failure(f"{command[0]} ended with exit code {done.returncode}{said}", lines)


def _failure(found: str, lines: Sequence[str] = ()) -> BackendError:
    remedy = (
        "Correct what it names; PITOME_CUDA=wheels builds with the toolkit from PyPI instead of an own one"
    )
    return BackendError("building the plugin", found, remedy, lines)
