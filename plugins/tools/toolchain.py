"""Find, or fetch from PyPI, what the plugin is built with: CUDA, the TensorRT headers and CMake.

What the user has installed comes first. What is missing is taken from wheels of pinned version and hash,
which are unpacked into the cache ($PITOME_CACHE, else ~/.cache/pitome) and never installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pitome.errors import InputError
from pitome.plugins.tools.pinned_wheels import (
    CMAKE,
    CUDA,
    CUDA_HEADERS,
    TENSORRT_HEADERS,
    Say,
    Unusable,
    fetch,
)
from pitome.version import __version__

Version = tuple[int, ...]

OLDEST_CUDA: Version = (12, 8)
"""The first that compiles for compute capabilities 10.0 and 12.0."""
OLDEST_TENSORRT: Version = (10, 7)
"""The first that prefers a plugin to an ONNX function of the same name."""
OLDEST_CMAKE: Version = (3, 21)


@dataclass(frozen=True)
class Place:
    """One place where nvcc may be."""

    label: str
    nvcc: Path | None
    named: bool = False
    """The user named it, so that it must do: another one in its stead would be a surprise."""


@dataclass(frozen=True)
class Cuda:
    """A CUDA toolkit, or only its headers."""

    include: tuple[Path, ...]
    version: Version
    origin: str
    nvcc: Path | None = None
    cudart: Path | None = None
    """The static runtime library."""

    def __str__(self) -> str:
        return f"CUDA {_dotted(self.version)} from {self.origin}"


@dataclass(frozen=True)
class TensorRT:
    """The TensorRT headers."""

    include: Path
    version: Version
    origin: str

    def __str__(self) -> str:
        return f"TensorRT {_dotted(self.version)} headers from {self.origin}"


# --- CUDA -----------------------------------------------------------------------------------------------


def cuda_places(environment: Mapping[str, str], root: Path = Path("/usr/local")) -> list[Place]:
    """Where nvcc is looked for, in this order; none with PITOME_CUDA=wheels.

    Raises:
        InputError: PITOME_CUDA is something else.
    """
    asked = environment.get("PITOME_CUDA", "")
    if asked == "wheels":
        return []
    if asked:
        raise InputError(f"PITOME_CUDA={asked}", "unknown", "Use PITOME_CUDA=wheels, or leave it unset")
    path = environment.get("PATH", "")
    places = []
    if compiler := environment.get("CUDACXX"):
        found = shutil.which(compiler, path=path)
        places.append(Place(f"CUDACXX={compiler}", Path(found or compiler), named=True))
    else:
        places.append(Place("CUDACXX, which is not set", None))
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if home := environment.get(variable):
            places.append(Place(f"{variable}={home}", Path(home) / "bin" / "nvcc", named=True))
        else:
            places.append(Place(f"{variable}, which is not set", None))
    on_path = shutil.which("nvcc", path=path)
    places.append(Place("PATH", Path(on_path) if on_path else None))
    folders = sorted(root.glob("cuda-*"), key=lambda folder: _numbers(folder.name), reverse=True)
    usual = [folder / "bin" / "nvcc" for folder in (root / "cuda", *folders)]
    existing = [nvcc for nvcc in usual if nvcc.exists()]
    places += [Place("the usual folders", nvcc) for nvcc in existing]
    return places if existing else [*places, Place(f"{root}/cuda*/bin", None)]


def find_cuda(places: Sequence[Place], cache: Path, say: Say, *, compiler: bool = True) -> Cuda:
    """The first usable toolkit of ``places``, else the one from PyPI.

    Without ``compiler`` the headers are enough; nvcc and the static runtime come along where they are there.

    Raises:
        InputError: there is none, or one that the user named does not do.
    """
    looked = []
    for place in places:
        if place.nvcc is None:
            looked.append(f"{place.label}: none")
            continue
        try:
            return read_cuda(place.nvcc, place.label)
        except Unusable as reason:
            looked.append(f"{place.label}: {reason}")
            if place.named and compiler:
                remedy = (
                    "Correct or unset the variable, or set PITOME_CUDA=wheels to use the compiler from PyPI"
                )
                raise InputError(place.label, str(reason), remedy) from reason
    wanted = CUDA if compiler or CUDA.folder(cache).is_dir() else CUDA_HEADERS
    origin = f"PyPI ({wanted.name})"
    if looked and not wanted.folder(cache).is_dir():
        for line in (f"no {_cuda_wanted(compiler)} was found, looked in", *_list(looked)):
            say(line)
    try:
        folder = fetch(wanted, cache, say)
        return read_cuda(folder / "bin" / "nvcc", origin) if wanted is CUDA else _cuda_headers(folder, origin)
    except Unusable as reason:
        looked.append(f"{origin}: {reason}")
        asked = _cuda_wanted(compiler)
        remedy = "Install the CUDA toolkit and set CUDA_HOME to its folder, or run where PyPI can be reached"
        raise InputError(asked, "not found; looked in", remedy, _list(looked)) from reason


def read_cuda(nvcc: Path, origin: str) -> Cuda:
    """The toolkit that this nvcc belongs to. It is asked: its path may be a link or a script elsewhere.

    Raises:
        Unusable: it is not there, too old, or without headers or the static runtime.
    """
    if not nvcc.is_file():
        raise Unusable(f"no file {nvcc}")
    printed = _output(nvcc, "--version")
    release = re.search(r"release (\d+)\.(\d+)", printed)
    if release is None:
        raise Unusable(f"{nvcc} --version says {printed.strip()[-200:]!r}, which is not what nvcc says")
    version = (int(release[1]), int(release[2]))
    if version < OLDEST_CUDA:
        raise Unusable(f"{nvcc} is CUDA {_dotted(version)}, older than {_dotted(OLDEST_CUDA)}")
    settings = _output(nvcc, "--dryrun", "-x", "cu", os.devnull)
    top = re.search(r"^#\$ TOP=(.+)$", settings, flags=re.MULTILINE)
    if top is None:
        raise Unusable(f"{nvcc} --dryrun names no toolkit folder (TOP=)")
    folder = Path(top[1].strip()).resolve()
    named = re.findall(r'^#\$ INCLUDES="-I(/[^"]+)"', settings, flags=re.MULTILINE)
    include = _include_folders([*map(Path, named), folder / "include", Path("/usr/include")], str(folder))
    libraries = [Path(name) for name in re.findall(r'"-L(/[^"]+)"', settings)]
    libraries += [folder / "lib64", folder / "lib", Path("/usr/lib/x86_64-linux-gnu")]
    found = [library / "libcudart_static.a" for library in libraries]
    cudart = next((file.resolve() for file in found if file.is_file()), None)
    if cudart is None:
        raise Unusable(f"the toolkit in {folder} has no libcudart_static.a")
    return Cuda(include, version, origin, nvcc, cudart)


def _cuda_headers(folder: Path, origin: str) -> Cuda:
    include = _include_folders([folder / "include"], str(folder))
    text = (include[0] / "cuda_runtime_api.h").read_text(encoding="utf-8", errors="replace")
    number = re.search(r"#define CUDART_VERSION\s+(\d+)", text)
    version = (int(number[1]) // 1000, int(number[1]) % 1000 // 10) if number else ()
    return Cuda(include, version, origin)


def _include_folders(candidates: Sequence[Path], toolkit: str) -> tuple[Path, ...]:
    """The folder with CUDA's own headers, and the one with its C++ library, where that is another."""
    own = next((folder.resolve() for folder in candidates if (folder / "cuda_fp16.h").is_file()), None)
    if own is None or not (own / "cuda_runtime_api.h").is_file():
        raise Unusable(f"the toolkit in {toolkit} has no cuda_fp16.h and cuda_runtime_api.h")
    folders = (own, own / "cccl") if (own / "cccl").is_dir() else (own,)
    if not any((folder / "nv" / "target").is_file() for folder in folders):
        raise Unusable(
            f"the toolkit in {toolkit} has no nv/target, which cuda_fp16.h needs (package cuda-cccl)"
        )
    return folders


def _cuda_wanted(compiler: bool) -> str:
    return f"nvcc of CUDA {_dotted(OLDEST_CUDA)} or newer" if compiler else "CUDA headers"


# --- TensorRT -------------------------------------------------------------------------------------------

SYSTEM_INCLUDE = (
    Path("/usr/include/x86_64-linux-gnu"),
    Path("/usr/include/aarch64-linux-gnu"),
    Path("/usr/include"),
)


def find_tensorrt(
    environment: Mapping[str, str], cache: Path, say: Say, system: Sequence[Path] = SYSTEM_INCLUDE
) -> TensorRT:
    """The headers of the user's own TensorRT, else those from PyPI.

    Raises:
        InputError: there are none, or those of TENSORRT_ROOT do not do.
    """
    looked = ["TENSORRT_ROOT, which is not set"]
    if root := environment.get("TENSORRT_ROOT"):
        folders = [Path(root) / "include", *sorted(Path(root).glob("include/*-linux-gnu"))]
        include = next((folder for folder in folders if (folder / "NvInferVersion.h").is_file()), folders[0])
        try:
            return TensorRT(include, tensorrt_version(include), f"TENSORRT_ROOT={root}")
        except Unusable as reason:
            remedy = "Point TENSORRT_ROOT at the folder of TensorRT that has include/, or unset it"
            raise InputError(f"TENSORRT_ROOT={root}", str(reason), remedy) from reason
    for folder in system:
        try:
            return TensorRT(folder, tensorrt_version(folder), str(folder))
        except Unusable as reason:
            looked.append(str(reason))
            if (folder / "NvInferVersion.h").is_file():
                say(f"{reason}; not used")
    origin = f"PyPI ({TENSORRT_HEADERS.name})"
    try:
        include = fetch(TENSORRT_HEADERS, cache, say)
        return TensorRT(include, tensorrt_version(include), origin)
    except Unusable as reason:
        looked.append(f"{origin}: {reason}")
        asked = f"TensorRT headers, version {_dotted(OLDEST_TENSORRT)} or newer"
        remedy = "Install TensorRT and set TENSORRT_ROOT to its folder, or run where PyPI can be reached"
        raise InputError(asked, "not found; looked in", remedy, _list(looked)) from reason


def tensorrt_version(include: Path) -> Version:
    """The version of the headers in a folder, which must be those of a TensorRT with IPluginV3.

    Raises:
        Unusable: there are none, or others.
    """
    text = _text(include / "NvInferVersion.h")
    if text is None:
        raise Unusable(f"no NvInferVersion.h in {include}")
    defined = dict(re.findall(r"^#define\s+(\w+)\s+(\w+)", text, flags=re.MULTILINE))
    numbers = [defined.get(f"NV_TENSORRT_{part}", "") for part in ("MAJOR", "MINOR")]
    values = [defined.get(number, number) for number in numbers]  # a macro may stand for the number
    if not all(value.isdigit() for value in values):
        raise Unusable(f"NvInferVersion.h in {include} defines no NV_TENSORRT_MAJOR and NV_TENSORRT_MINOR")
    version = tuple(map(int, values))
    if "TRT_MAJOR_RTX" in defined:
        raise Unusable(
            f"the headers in {include} are of TensorRT-RTX {_dotted(version)}, which has no plugins"
        )
    if version < OLDEST_TENSORRT:
        wanted = _dotted(OLDEST_TENSORRT)
        raise Unusable(f"the headers in {include} are of TensorRT {_dotted(version)}, older than {wanted}")
    # The class moved from one of these to the other between versions.
    texts = [
        _text(include / name)
        for name in ("NvInferRuntimePlugin.h", "NvInferPluginBase.h", "NvInferRuntime.h")
    ]
    if texts[0] is None or not any(re.search(r"\bclass IPluginV3\b", text or "") for text in texts):
        raise Unusable(f"the headers in {include} are incomplete: no IPluginV3 behind NvInferRuntimePlugin.h")
    return version


# --- CMake ----------------------------------------------------------------------------------------------


def cmake_places(environment: Mapping[str, str]) -> dict[str, str]:
    """Folders where cmake is looked for, as in a PATH, by what they are called in a refusal."""
    beside_python = str(Path(sys.executable).parent)
    return {"PATH": environment.get("PATH", ""), beside_python: beside_python}


def find_cmake(places: Mapping[str, str], cache: Path, say: Say) -> Path:
    """The first CMake of ``places`` that is new enough, else the one from PyPI.

    Raises:
        InputError: there is none.
    """
    looked = []
    for label, folders in places.items():
        found = shutil.which("cmake", path=folders)
        if found is None:
            looked.append(f"{label}: none")
            continue
        try:
            version = _numbers(_output(Path(found), "--version").partition("\n")[0])
        except Unusable as reason:
            looked.append(f"{label}: {reason}")
            continue
        if version >= OLDEST_CMAKE:
            return Path(found)
        looked.append(f"{label}: {found} is version {_dotted(version)}")
    try:
        return fetch(CMAKE, cache, say) / "bin" / "cmake"
    except Unusable as reason:
        looked.append(f"PyPI ({CMAKE.name}): {reason}")
        asked = f"cmake {_dotted(OLDEST_CMAKE)} or newer"
        remedy = "Install cmake, or run where PyPI can be reached"
        raise InputError(asked, "not found; looked in", remedy, _list(looked)) from reason


# --- the settings ---------------------------------------------------------------------------------------


def settings(cuda: Cuda, tensorrt: TensorRT, programs: Path | None = None) -> str:
    """A script for ``cmake -C`` that sets what plugins/CMakeLists.txt asks for.

    Args:
        cuda: the toolkit.
        tensorrt: the headers.
        programs: folder of C++ programs that test the library.
    """
    values: dict[str, str | Path] = {
        "PITOME_VERSION": __version__,
        "PITOME_NVCC": cuda.nvcc or "",
        "PITOME_CUDART": cuda.cudart or "",
        "PITOME_CUDA_INCLUDE": ";".join(map(str, cuda.include)),
        "PITOME_TENSORRT_INCLUDE": tensorrt.include,
    }
    if programs is not None:  # else CMake keeps those of an earlier build
        values["PITOME_PROGRAMS"] = programs.resolve()
    lines = [
        f"# {cuda}",
        f"# {tensorrt}",
        *(f'set({name} [==[{value}]==] CACHE STRING "" FORCE)' for name, value in values.items()),
    ]
    return "\n".join(lines) + "\n"


def _output(program: Path, *arguments: str) -> str:
    """What a program prints, whatever it returns: nvcc names its folders before it misses a host compiler."""
    try:
        done = subprocess.run(  # noqa: S603
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unusable(f"{program} does not run: {error}") from error
    return done.stdout + done.stderr


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _numbers(text: str) -> Version:
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _dotted(version: Version) -> str:
    return ".".join(map(str, version)) or "of unknown version"


def _list(lines: Sequence[str]) -> list[str]:
    return [f"- {line}" for line in lines]
