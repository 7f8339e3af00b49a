"""What the operator for onnxruntime is built with: Highway's sources and onnxruntime's headers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pitome.errors import InputError
from pitome.plugins.tools.native_downloads import HIGHWAY, ONNXRUNTIME_HEADERS, DebianPackage, fetch_package
from pitome.plugins.tools.pinned_wheels import Say, Unusable
from pitome.plugins.tools.toolchain import Cuda
from pitome.version import __version__

OLDEST_HIGHWAY = (1, 2)
"""The one that all of this was tested with."""
OLDEST_API = 17
"""The first version of onnxruntime's interface that lets a custom operator use the session's threads."""
_HEADER = "onnxruntime_c_api.h"
SYSTEM_INCLUDE = (Path("/usr/local/include"), Path("/usr/include"))


@dataclass(frozen=True)
class Highway:
    """The sources of Highway, of which some are compiled too: an installation does not do."""

    folder: Path
    version: str
    origin: str

    def __str__(self) -> str:
        return f"Highway {self.version} from {self.origin}"


@dataclass(frozen=True)
class OnnxRuntimeHeaders:
    """The headers of onnxruntime. Whatever version they are of, the library works with 1.17 and newer."""

    include: Path
    api: int
    origin: str

    def __str__(self) -> str:
        return f"onnxruntime 1.{self.api} headers from {self.origin}"


def find_highway(environment: Mapping[str, str], cache: Path, say: Say) -> Highway:
    """The user's own sources in HIGHWAY_ROOT, else Debian's.

    Raises:
        InputError: there are none, or those of HIGHWAY_ROOT do not do.
    """
    if root := environment.get("HIGHWAY_ROOT"):
        try:
            return read_highway(Path(root), f"HIGHWAY_ROOT={root}")
        except Unusable as reason:
            remedy = "Point HIGHWAY_ROOT at the folder of Highway's sources that has hwy/, or unset it"
            raise InputError(f"HIGHWAY_ROOT={root}", str(reason), remedy) from reason
    origin = _origin(HIGHWAY)
    try:
        return read_highway(fetch_package(HIGHWAY, cache, say), origin)
    except Unusable as reason:
        looked = ["HIGHWAY_ROOT, which is not set", f"{origin}: {reason}"]
        remedy = "Set HIGHWAY_ROOT to the folder of Highway's sources"
        raise InputError("Highway's sources", "not found; looked in", remedy, _list(looked)) from reason


def read_highway(folder: Path, origin: str) -> Highway:
    """The sources in a folder.

    Raises:
        Unusable: there are none, or they are too old.
    """
    for name in ("hwy/highway.h", "hwy/targets.cc", "hwy/per_target.cc", "hwy/abort.cc"):
        if not (folder / name).is_file():
            raise Unusable(f"no {name} in {folder}")
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("hwy/base.h", "hwy/highway.h")]
    defined = dict(re.findall(r"^#define HWY_(MAJOR|MINOR|PATCH) (\d+)", "\n".join(texts), re.MULTILINE))
    version = tuple(int(defined.get(part, 0)) for part in ("MAJOR", "MINOR", "PATCH"))
    if version < OLDEST_HIGHWAY:
        oldest = ".".join(map(str, OLDEST_HIGHWAY))
        raise Unusable(f"the sources in {folder} are of {'.'.join(map(str, version))}, older than {oldest}")
    return Highway(folder.resolve(), ".".join(map(str, version)), origin)


def find_onnxruntime_headers(
    environment: Mapping[str, str], cache: Path, say: Say, system: Sequence[Path] = SYSTEM_INCLUDE
) -> OnnxRuntimeHeaders:
    """The headers of ONNXRUNTIME_ROOT, else the system's, else Debian's.

    Raises:
        InputError: there are none, or those of ONNXRUNTIME_ROOT do not do.
    """
    if root := environment.get("ONNXRUNTIME_ROOT"):
        try:
            return read_onnxruntime_headers(Path(root) / "include", f"ONNXRUNTIME_ROOT={root}")
        except Unusable as reason:
            remedy = "Point ONNXRUNTIME_ROOT at the folder of onnxruntime that has include/, or unset it"
            raise InputError(f"ONNXRUNTIME_ROOT={root}", str(reason), remedy) from reason
    looked = ["ONNXRUNTIME_ROOT, which is not set"]
    for folder in system:
        try:
            return read_onnxruntime_headers(folder, str(folder))
        except Unusable as reason:
            looked.append(str(reason))
    origin = _origin(ONNXRUNTIME_HEADERS)
    try:
        return read_onnxruntime_headers(fetch_package(ONNXRUNTIME_HEADERS, cache, say), origin)
    except Unusable as reason:
        looked.append(f"{origin}: {reason}")
        remedy = "Set ONNXRUNTIME_ROOT to the folder of an onnxruntime release, which has include/"
        raise InputError("onnxruntime's headers", "not found; looked in", remedy, _list(looked)) from reason


def read_onnxruntime_headers(include: Path, origin: str) -> OnnxRuntimeHeaders:
    """The headers in an include folder, at one of the places that releases have put them.

    Raises:
        Unusable: there are none, or they are too old.
    """
    places = [include, include / "onnxruntime", include / "onnxruntime/core/session"]
    folder = next((place for place in places if (place / _HEADER).is_file()), None)
    if folder is None:
        raise Unusable(f"no {_HEADER} in {include}")
    found = re.search(r"#define ORT_API_VERSION (\d+)", (folder / _HEADER).read_text(encoding="utf-8"))
    api = int(found[1]) if found else 0
    if api < OLDEST_API:
        raise Unusable(f"the headers in {folder} are of onnxruntime 1.{api}, older than 1.{OLDEST_API}")
    return OnnxRuntimeHeaders(folder.resolve(), api, origin)


def settings(
    highway: Highway, headers: OnnxRuntimeHeaders, programs: Path | None, cuda: Cuda | None = None
) -> str:
    """A script for ``cmake -C`` that sets what plugins/onnxruntime/CMakeLists.txt asks for.

    Args:
        highway: the sources.
        headers: onnxruntime's.
        programs: folder of C++ programs that test the operator's core.
        cuda: the toolkit, or only its headers, for the operator for CUDA too.
    """
    values: dict[str, str | Path] = {
        "PITOME_VERSION": __version__,
        "PITOME_HIGHWAY": highway.folder,
        "PITOME_ONNXRUNTIME_INCLUDE": headers.include,
    }
    if programs is not None:  # else CMake keeps those of an earlier build
        values["PITOME_PROGRAMS"] = programs.resolve()
    if cuda is not None:
        values["PITOME_CUDA_INCLUDE"] = ";".join(map(str, cuda.include))
        values["PITOME_NVCC"] = cuda.nvcc or ""
        values["PITOME_CUDART"] = cuda.cudart or ""
    origins = [f"# {origin}" for origin in (highway, headers, cuda) if origin is not None]
    lines = [f'set({name} [==[{value}]==] CACHE STRING "" FORCE)' for name, value in values.items()]
    return "\n".join([*origins, *lines]) + "\n"


def _origin(package: DebianPackage) -> str:
    return f"Debian ({package.name} {package.version})"


def _list(lines: Sequence[str]) -> list[str]:
    return [f"- {line}" for line in lines]
