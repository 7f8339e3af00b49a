"""``build_native``: what CMake is asked for, and where Highway and onnxruntime's headers come from."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from pitome.errors import BackendError, InputError
from pitome.plugins.tools.native_build import NativeOptions, build_native
from pitome.plugins.tools.native_downloads import HIGHWAY, DebianPackage, debian_mirror, fetch_package
from pitome.plugins.tools.native_toolchain import find_highway, find_onnxruntime_headers
from pitome.plugins.tools.pinned_wheels import Unusable
from tests.checkout import ROOT
from tests.plugins.fake_installations import script, toolkit

VERSION = 'if [ "$1" = --version ]; then echo cmake version 4.0.0; exit; fi'

LIBRARIES = {
    (False, False): ["pitome_onnxruntime"],
    (True, False): ["pitome_onnxruntime", "pitome_onnxruntime_host"],
    (True, True): ["pitome_onnxruntime_host"],
}
"""By whether CUDA, and only its build for the CPU, are asked for."""


def highway(folder: Path, version: tuple[int, int, int] = (1, 2, 0)) -> Path:
    """A folder with what is read of Highway's sources."""
    for name in ("highway.h", "targets.cc", "per_target.cc", "abort.cc", "base.h"):
        (folder / "hwy").mkdir(parents=True, exist_ok=True)
        (folder / "hwy" / name).touch()
    parts = zip(("MAJOR", "MINOR", "PATCH"), version, strict=True)
    text = "".join(f"#define HWY_{part} {number}\n" for part, number in parts)
    (folder / "hwy/base.h").write_text(text, encoding="utf-8")
    return folder


def onnxruntime_headers(folder: Path, api: int = 21) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "onnxruntime_c_api.h").write_text(f"#define ORT_API_VERSION {api}\n", encoding="utf-8")
    return folder


def environment(folder: Path, cmake: str) -> dict[str, str]:
    """One in which all that a build needs lies in the folder."""
    onnxruntime_headers(folder / "onnxruntime/include")
    return {
        "PATH": f"{script(folder / 'bin/cmake', cmake).parent}:/usr/bin:/bin",
        "HIGHWAY_ROOT": str(highway(folder / "highway")),
        "ONNXRUNTIME_ROOT": str(folder / "onnxruntime"),
        "CUDACXX": str(toolkit(folder / "cuda")),
        "MAKEFLAGS": "-n",
    }


def commands(folder: Path, options: NativeOptions) -> list[list[str]]:
    cmake = f'{VERSION}\necho "$MAKEFLAGS" "$@" >> {folder}/commands'
    found = build_native(options, pytest.fail, environment(folder, cmake))
    names = [library.name for library in found.libraries]
    assert names == [f"lib{target}.so" for target in LIBRARIES[options.cuda, options.host]]
    assert {library.parent for library in found.libraries} == {options.output}
    assert found.cuda == (f"CUDA 13.0 from CUDACXX={folder}/cuda/bin/nvcc" if options.cuda else None)
    assert found.highway == f"Highway 1.2.0 from HIGHWAY_ROOT={folder}/highway"
    assert found.onnxruntime == f"onnxruntime 1.21 headers from ONNXRUNTIME_ROOT={folder}/onnxruntime"
    return [line.split() for line in (folder / "commands").read_text(encoding="utf-8").splitlines()]


def test_what_cmake_is_asked_for(tmp_path: Path) -> None:
    output = tmp_path / "output"
    configure, build = commands(tmp_path, NativeOptions(output))
    settings = output / "toolchain.cmake"
    source = ROOT / "plugins/onnxruntime"
    assert configure == ["-C", str(settings), "-S", str(source), "-B", f"{output}/cmake"]
    assert build[4:] == ["--target", "pitome_onnxruntime"]
    text = settings.read_text(encoding="utf-8")
    assert f"PITOME_HIGHWAY [==[{tmp_path}/highway]==]" in text
    assert f"PITOME_ONNXRUNTIME_INCLUDE [==[{tmp_path}/onnxruntime/include]==]" in text


def test_the_programs_and_the_sanitizers(tmp_path: Path) -> None:
    options = NativeOptions(tmp_path / "output", programs=tmp_path)
    assert commands(tmp_path, options)[1][5:] == ["pitome_onnxruntime", "programs"]
    sanitized = replace(options, sanitize=True)
    assert commands(tmp_path, sanitized)[-1][5:] == ["pitome_onnxruntime", "programs", "programs_sanitized"]


@pytest.mark.parametrize("host", [False, True])
def test_the_operator_for_cuda(tmp_path: Path, host: bool) -> None:
    options = NativeOptions(tmp_path / "output", cuda=True, host=host)
    assert commands(tmp_path, options)[1][5:] == LIBRARIES[True, host]
    text = (tmp_path / "output/toolchain.cmake").read_text(encoding="utf-8")
    assert f"PITOME_NVCC [==[{tmp_path}/cuda/bin/nvcc]==]" in text
    assert "libcudart_static.a]==]" in text
    assert f"PITOME_CUDA_INCLUDE [==[{tmp_path}/cuda/" in text


def test_without_cuda_no_toolkit_is_looked_for(tmp_path: Path) -> None:
    given = environment(tmp_path, VERSION) | {"CUDACXX": "/no/such/nvcc"}
    build_native(NativeOptions(tmp_path / "output"), pytest.fail, given)
    assert "CUDA" not in (tmp_path / "output/toolchain.cmake").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="CUDACXX=/no/such/nvcc: no file /no/such/nvcc"):
        build_native(NativeOptions(tmp_path / "output", cuda=True), pytest.fail, given)


def test_a_failure_of_cmake(tmp_path: Path) -> None:
    given = environment(tmp_path, f"{VERSION}\necho no compiler; exit 3")
    with pytest.raises(BackendError) as caught:
        build_native(NativeOptions(tmp_path / "output"), pytest.fail, given)
    assert str(caught.value) == (
        f"building the operator for onnxruntime: {tmp_path}/bin/cmake ended with exit code 3; it says:\n"
        "  | no compiler. Correct what it names; "
        "without the library, models run by the function that they carry"
    )


def test_a_folder_that_the_user_named_must_do(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_highway({"HIGHWAY_ROOT": "/no/such"}, tmp_path, pytest.fail)
    assert str(caught.value) == (
        "HIGHWAY_ROOT=/no/such: no hwy/highway.h in /no/such. Point HIGHWAY_ROOT at the folder of Highway's "
        "sources that has hwy/, or unset it"
    )
    old = highway(tmp_path / "old", (1, 1, 9))
    with pytest.raises(InputError, match=rf"the sources in {old} are of 1\.1\.9, older than 1\.2\."):
        find_highway({"HIGHWAY_ROOT": str(old)}, tmp_path, pytest.fail)
    onnxruntime_headers(tmp_path / "include", 16)
    with pytest.raises(InputError) as caught:
        find_onnxruntime_headers({"ONNXRUNTIME_ROOT": str(tmp_path)}, tmp_path, pytest.fail)
    assert str(caught.value) == (
        f"ONNXRUNTIME_ROOT={tmp_path}: the headers in {tmp_path}/include are of onnxruntime 1.16, older than "
        "1.17. Point ONNXRUNTIME_ROOT at the folder of onnxruntime that has include/, or unset it"
    )


@pytest.mark.parametrize("place", [".", "onnxruntime", "onnxruntime/core/session"])
def test_the_places_of_the_headers(tmp_path: Path, place: str) -> None:
    onnxruntime_headers(tmp_path / "usr" / place)
    found = find_onnxruntime_headers({}, tmp_path, pytest.fail, [tmp_path / "absent", tmp_path / "usr"])
    assert str(found) == f"onnxruntime 1.21 headers from {tmp_path}/usr"
    assert found.include == (tmp_path / "usr" / place).resolve()


def test_a_machine_without_apt_is_told_where_was_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError) as caught:
        find_highway({}, tmp_path, pytest.fail)
    assert str(caught.value) == (
        "Highway's sources: not found; looked in\n  - HIGHWAY_ROOT, which is not set\n"
        "  - Debian (highway 1.2.0-2): this machine has no apt-get. "
        "Set HIGHWAY_ROOT to the folder of Highway's sources"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "sources.list",
            "# deb http://no/debian x main\ndeb [a=b] http://here/debian bookworm main\n",
        ),
        ("sources.list", "deb-src http://here/debian/ bookworm main\n"),
        ("sources.list.d/debian.sources", "Types: deb\nURIs: http://here/debian\nSuites: bookworm\n"),
        ("sources.list.d/other.list", "deb http://here/debian bookworm main\n"),
    ],
)
def test_the_mirror_is_that_of_the_machine(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert debian_mirror(tmp_path) == "http://here/debian"


def test_a_machine_of_another_system_has_no_mirror(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://here/ubuntu noble main\n", encoding="utf-8")
    with pytest.raises(Unusable, match=f"apt is set to no Debian mirror in {tmp_path}"):
        debian_mirror(tmp_path)


class Mirror:
    """A machine whose apt-get copies the one file that it has."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = folder / "cache"
        self.apt = folder / "apt"
        self.apt.mkdir()
        (self.apt / "sources.list").write_text("deb http://here/debian bookworm main\n", encoding="utf-8")
        archive = folder / HIGHWAY.file
        with tarfile.open(archive, "w:gz") as tar:
            entry = tarfile.TarInfo("highway-1.2.0/hwy/highway.h")
            entry.size = 5
            tar.addfile(entry, io.BytesIO(b"// hi"))
        copy = f'case "$*" in *source*highway=1.2.0-2) cp {archive} . ;; *update) ;; *) exit 9 ;; esac'
        monkeypatch.setenv("PATH", f"{script(folder / 'bin/apt-get', copy).parent}:/usr/bin:/bin")
        self.package = replace(HIGHWAY, sha256=hashlib.sha256(archive.read_bytes()).hexdigest())

    def fetch(self, package: DebianPackage) -> Path:
        return fetch_package(package, self.cache, lambda text: None, self.apt)


def test_sources_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = Mirror(tmp_path, monkeypatch)
    folder = mirror.fetch(mirror.package)
    assert folder == mirror.cache / f"highway-{mirror.package.sha256[:12]}"
    assert (folder / "hwy/highway.h").read_bytes() == b"// hi"
    monkeypatch.setenv("PATH", str(tmp_path))  # no apt-get any more
    assert mirror.fetch(mirror.package) == folder


def test_another_file_than_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = Mirror(tmp_path, monkeypatch)
    with pytest.raises(Unusable, match=rf"{HIGHWAY.file} has the SHA-256 .{{64}}, not {HIGHWAY.sha256}"):
        mirror.fetch(HIGHWAY)
    with pytest.raises(Unusable, match=r"apt-get source failed \(exit code 9\)"):
        mirror.fetch(replace(mirror.package, version="1"))
    assert list(mirror.cache.iterdir()) == []
