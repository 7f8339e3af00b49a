"""The kernels behind the C interface, compiled for one GPU: needs nvcc, but no CMake and no TensorRT."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from pitome.errors import BackendError
from pitome.plugins.tools.pinned_wheels import Say
from pitome.plugins.tools.toolchain import Cuda, cuda_places, find_cuda
from pitome.version import __version__

OPTIONS = ("-std=c++17", "-O3", "-cudart=static")
"""What CMakeLists.txt gives nvcc, as far as it changes the code."""


def build_kernels(
    capability: tuple[int, int], folder: Path, say: Say, environment: Mapping[str, str]
) -> Path:
    """The library; compiled where this folder has none of the same sources, compiler and GPU.

    Args:
        capability: the GPU's compute capability, such as (8, 9).
        folder: where the library and the compiler's words go.
        say: is told of downloads, and that it takes a while.
        environment: CUDA_HOME, PITOME_CUDA, PITOME_CACHE and PATH are looked at.

    Raises:
        InputError: there is no nvcc, and none can be fetched.
        BackendError: nvcc failed.
    """
    cache = Path(environment.get("PITOME_CACHE") or "~/.cache/pitome").expanduser()
    cuda = find_cuda(cuda_places(environment), cache, say)
    target = "sm_{}{}".format(*capability)
    source = Path(str(resources.files("pitome.plugins"))).resolve()
    library = folder.resolve() / f"libpitome_kernels_{target}_{_digest(source, cuda)}.so"
    if not library.is_file():
        say(f"compiling the kernels for {target} with {cuda}")
        folder.mkdir(parents=True, exist_ok=True)
        _compile(_command(cuda, target, source), library, environment)
    return library


def _command(cuda: Cuda, target: str, source: Path) -> list[str]:
    kernels = source / "kernels"
    files = sorted(str(file) for pattern in ("*.cu", "*.cpp") for file in kernels.glob(pattern))
    return [
        str(cuda.nvcc),
        *OPTIONS,
        f"-arch={target}",
        "-shared",
        "-Xcompiler=-fPIC,-fvisibility=hidden",
        "-Xlinker=--no-undefined",
        f"-I{source / 'include'}",
        f'-DPITOME_VERSION="{__version__}"',
        *files,
    ]


def _digest(source: Path, cuda: Cuda) -> str:
    """Of all that the library is made from."""
    digest = hashlib.sha256(f"{cuda} {OPTIONS} {__version__}".encode())
    for folder in ("include", "kernels"):
        for file in sorted((source / folder).iterdir()):
            digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _compile(command: Sequence[str], library: Path, environment: Mapping[str, str]) -> None:
    partial, log = library.with_suffix(".partial"), library.with_suffix(".log")
    with log.open("w", encoding="utf-8") as words:
        done = subprocess.run(
            [*command, "-o", str(partial)], env=dict(environment), stdout=words, stderr=words, check=False
        )
    if done.returncode:
        raise BackendError(
            "compiling the kernels",
            f"nvcc ended with exit code {done.returncode}; its words are in {log}",
            "Correct what it names, or give a library that `make plugin` built elsewhere as PLUGIN=",
        )
    partial.replace(library)
