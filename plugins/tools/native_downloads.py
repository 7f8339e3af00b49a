"""Pinned Debian packages, unpacked into the cache: Highway's sources and onnxruntime's headers.

No wheel on PyPI holds them. apt downloads them as the user that runs it, with lists of its own in a temporary
folder and from the mirror that the machine's own apt is set to; nothing is installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitome.plugins.tools.pinned_wheels import Say, Unusable

SUITE = "trixie"
"""The Debian that the pinned versions are of."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class DebianPackage:
    """One file of a Debian package, and what of it is kept."""

    name: str
    version: str
    file: str
    sha256: str
    member: str
    """The folder within the package that is unpacked."""
    is_source: bool
    """The original sources, a tar archive; else the package for x86_64, of which only headers are used."""

    def folder(self, cache: Path) -> Path:
        """Where it is unpacked; another version or hash is another folder."""
        return cache / f"{self.name}-{self.sha256[:12]}"


HIGHWAY = DebianPackage(
    "highway",
    "1.2.0-2",
    "highway_1.2.0.orig.tar.gz",
    "7e0be78b8318e8bdbf6fa545d2ecb4c90f947df03f7aadc42c1967f019e63343",
    "",
    is_source=True,
)
ONNXRUNTIME_HEADERS = DebianPackage(
    "libonnxruntime-dev",
    "1.21.0+dfsg-1",
    "libonnxruntime-dev_1.21.0+dfsg-1_amd64.deb",
    "14f7d959d5deacbcf1504830d4189f91fc67382b399ed9ae9d3aa9c4050ced08",
    "usr/include/onnxruntime",
    is_source=False,
)


def fetch_package(package: DebianPackage, cache: Path, say: Say, apt: Path = Path("/etc/apt")) -> Path:
    """The folder with what the package holds. Downloaded at the first call, complete or not there at all.

    Args:
        package: what to fetch.
        cache: the folder of folders.
        say: is told of the download.
        apt: the folder with the machine's own settings of apt.

    Raises:
        Unusable: there is no apt, it is not set to Debian, or it can't get this file.
    """
    final = package.folder(cache)
    if final.is_dir():
        return final
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Unusable("this machine has no apt-get")
    mirror = debian_mirror(apt)
    say(f"downloading {package.name} {package.version} of Debian {SUITE} to {final}")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as temporary:
            folder = Path(temporary)
            file = _download(package, mirror, folder)
            unpacked = folder / "unpacked"
            _unpack(package, file, unpacked)
            _put(unpacked / package.member, final)
    except OSError as error:
        raise Unusable(f"can't write to {cache}: {error.strerror or error}") from error
    return final


def debian_mirror(apt: Path) -> str:
    """The address of the Debian mirror that apt is set to.

    Raises:
        Unusable: it is set to none.
    """
    one_line = re.compile(r"^deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+/debian)/?\s", re.MULTILINE)
    stanzas = re.compile(r"^URIs:\s*(\S+/debian)/?\s*$", re.MULTILINE)
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix in (".list", ".sources") and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            if found := one_line.search(text) or stanzas.search(text):
                return found[1]
    raise Unusable(f"apt is set to no Debian mirror in {apt}")


def _download(package: DebianPackage, mirror: str, folder: Path) -> Path:
    kind = "deb-src" if package.is_source else "deb"
    sources = folder / "sources.list"
    sources.write_text(f"{kind} [signed-by={KEYRING}] {mirror} {SUITE} main\n", encoding="utf-8")
    settings = folder / "apt.conf"
    settings.write_text(_settings(folder, sources), encoding="utf-8")
    exact = f"{package.name}={package.version}"
    _apt(["update"], settings, folder)
    get = ["source", "--download-only"] if package.is_source else ["download"]
    _apt([*get, exact], settings, folder)
    file = folder / package.file
    if not file.is_file():
        raise Unusable(f"apt-get fetched no {package.file}")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise Unusable(f"{package.file} has the SHA-256 {digest}, not {package.sha256}")
    return file


def _settings(folder: Path, sources: Path) -> str:
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    values = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        # Root's apt hands downloads to a user that can't write here.
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    return "".join(f'{name} "{value}";\n' for name, value in values.items())


def _apt(words: Sequence[str], settings: Path, folder: Path) -> None:
    done = subprocess.run(  # noqa: S603
        ["apt-get", "--quiet", *words],  # noqa: S607
        cwd=folder,
        env={**os.environ, "APT_CONFIG": str(settings), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise Unusable(f"apt-get {words[0]} failed ({reason})")


def _unpack(package: DebianPackage, file: Path, folder: Path) -> None:
    if package.is_source:
        # Python 3.11.2, as in Debian 12, has no filter; the archive is the pinned one.
        options: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        with tarfile.open(file) as archive:
            for entry in archive.getmembers():
                entry.name = entry.name.partition("/")[2]  # the folder that all of it lies in
                if entry.name and (entry.isfile() or entry.isdir()):
                    archive.extract(entry, folder, **options)
        return
    done = subprocess.run(  # noqa: S603
        ["dpkg-deb", "--extract", str(file), str(folder)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unusable(f"dpkg-deb can't unpack {file.name} ({done.stderr.strip()})")


def _put(made: Path, final: Path) -> None:
    try:
        made.rename(final)
    except OSError:
        if not final.is_dir():  # else another process was quicker
            raise
