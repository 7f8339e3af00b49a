"""What `make plugin` leaves: for which GPUs, what it shows, what it needs, and what the kernels take."""

from __future__ import annotations

import ctypes
import re
import struct
import subprocess
from pathlib import Path

import pytest

from pitome.plugins.tools.ptxas_log import Usage, read_usage
from pitome.version import __version__
from tests.checkout import ROOT

BUILD = ROOT / "build" / "plugin"
TARGETS = (75, 80, 86, 89, 90, 100, 120)
PTX = 80
HEADER = (ROOT / "plugins" / "include" / "pitome_merge.h").read_text(encoding="utf-8")
INTERFACE = set(re.findall(r"PITOME_API [^(;]*?(pitome_merge_\w+)\(", HEADER)) | {
    "getCreators",
    "setLoggerFinder",
}
HOST = "libpitome_plugin_host.so"
DEVICE, SANITIZED = (
    pytest.param(name, marks=pytest.mark.full) for name in ("libpitome_plugin.so", f"sanitized/{HOST}")
)
PTX_KIND, MACHINE_CODE_KIND = 1, 2


def built(name: str) -> Path:
    path = BUILD / name
    if not path.exists():
        pytest.fail(f"{path} is missing: run `make plugin-host`, or `make plugin-sanitized plugin`, first")
    return path


def output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def needed(library: Path) -> list[str]:
    return re.findall(r"\(NEEDED\)\s+Shared library: \[(.+)\]", output("readelf", "--wide", "-d", library))


def symbols(library: Path, which: str) -> set[str]:
    lines = output("nm", "--dynamic", which, library).splitlines()
    return {line.split()[-1].partition("@")[0] for line in lines}


def fat_binaries(library: Path) -> list[list[tuple[int, int]]]:
    """(kind, compute capability) of all that is in the fat binaries, of which each .cu file has one."""
    section = re.search(
        r"\.nv_fatbin\s+PROGBITS\s+\w+ (\w+) (\w+)", output("readelf", "--wide", "--sections", library)
    )
    assert section is not None, f"{library} has no section .nv_fatbin"
    start, size = (int(number, 16) for number in section.groups())
    data = library.read_bytes()[start : start + size]
    found = []
    position = 0
    while position < len(data):
        magic, _, header, length = struct.unpack_from("<IHHQ", data, position)
        if magic != 0xBA55ED50:  # padding between them
            position += 8
            continue
        entry, position = position + header, position + header + length
        found.append([])
        while entry < position:
            kind, _, header, length = struct.unpack_from("<HHIQ", data, entry)
            (capability,) = struct.unpack_from("<I", data, entry + 28)
            is_machine_code = data[entry + header :].startswith(b"\x7fELF")
            assert is_machine_code == (kind == MACHINE_CODE_KIND)
            found[-1].append((kind, capability))
            entry += header + length
    return found


@pytest.fixture(scope="module")
def usages() -> list[Usage]:
    return read_usage(built("ptxas.log").read_text(encoding="utf-8"))


@pytest.mark.full
def test_every_kernel_file_is_compiled_for_all_gpus_and_as_ptx() -> None:
    library = built("libpitome_plugin.so")
    files = list((ROOT / "plugins" / "kernels").glob("*.cu"))
    expected = sorted([(MACHINE_CODE_KIND, target) for target in TARGETS] + [(PTX_KIND, PTX)])
    assert [sorted(entries) for entries in fat_binaries(library)] == [expected] * len(files)


@pytest.mark.full
def test_every_kernel_is_compiled_for_all_gpus(usages: list[Usage]) -> None:
    kernels = {usage.kernel for usage in usages}
    assert kernels
    assert {(usage.kernel, usage.target) for usage in usages} == {(k, t) for k in kernels for t in TARGETS}
    assert len(usages) == len(kernels) * len(TARGETS)


@pytest.mark.full
def test_no_kernel_spills_or_uses_local_memory(usages: list[Usage]) -> None:
    spilling = [
        usage for usage in usages if usage.stack_bytes or usage.spill_store_bytes or usage.spill_load_bytes
    ]
    assert not spilling, "\n".join(map(str, spilling))


@pytest.mark.full
def test_ptxas_warns_of_nothing() -> None:
    log = built("ptxas.log").read_text(encoding="utf-8")
    assert not [line for line in log.splitlines() if "warning" in line.lower()]


def test_log_of_a_spilling_kernel_is_read() -> None:
    log = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z4slowv' for 'sm_75'
ptxas info    : Function properties for _Z4slowv
    400 bytes stack frame, 16 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 1024 bytes smem, 360 bytes cmem[0]
ptxas info    : Compiling entry function '_Z4callv' for 'sm_90a'
ptxas info    : Function properties for _Z4callv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Function properties for _Z6calledv
    8 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 12 registers, used 0 barriers, 360 bytes cmem[0]
"""
    assert read_usage(log) == [
        Usage("_Z4slowv", 75, 255, 1024, 400, 16, 24),
        Usage("_Z4callv", 90, 12, 0, 8, 0, 0),
    ]


def test_log_that_breaks_off_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing of the registers and the stack of _Z4slowv for sm_75"):
        read_usage("ptxas info    : Compiling entry function '_Z4slowv' for 'sm_75'\n")


@pytest.mark.full
def test_library_shows_its_interface_and_nothing_else() -> None:
    assert symbols(built("libpitome_plugin.so"), "--defined-only") == INTERFACE


@pytest.mark.full
def test_library_needs_neither_cuda_nor_tensorrt_to_load() -> None:
    library = built("libpitome_plugin.so")
    names = needed(library)
    assert "libstdc++.so.6" in names  # the list was read
    assert not [name for name in names if re.match("libcuda|libnv|libculibos", name)]
    undefined = symbols(library, "--undefined-only")
    assert "dlopen" in undefined  # the list was read
    assert not [
        name for name in undefined if re.match("cu[A-Z_]|cuda|__cuda|nvinfer|getInfer|getPlugin", name)
    ]


@pytest.mark.parametrize("name", [HOST, SANITIZED])
def test_host_library_has_the_same_interface_and_no_cuda(name: str) -> None:
    library = built(name)
    assert symbols(library, "--defined-only") >= INTERFACE
    assert not [other for other in needed(library) if re.match("libcuda|libnv", other)]


@pytest.mark.parametrize("name", [DEVICE, HOST])
def test_library_loads_and_has_the_version_of_the_project(name: str) -> None:
    library = ctypes.CDLL(str(built(name)))
    library.pitome_merge_version.restype = ctypes.c_char_p
    assert library.pitome_merge_version().decode() == __version__


@pytest.mark.full
def test_sanitized_library_is_sanitized() -> None:
    names = {name.partition(".")[0] for name in needed(built("sanitized/libpitome_plugin_host.so"))}
    assert {"libasan", "libubsan"} <= names


def cmake_of_the_build() -> str:
    """The one that toolchain.py chose: it need not be on PATH."""
    settings = built("cmake/CMakeCache.txt").read_text(encoding="utf-8")
    cmake = re.search(r"^CMAKE_COMMAND:INTERNAL=(.+)$", settings, flags=re.MULTILINE)
    assert cmake is not None
    return cmake[1]


@pytest.mark.full
def test_libraries_are_not_older_than_their_sources() -> None:
    """Else the other tests would be about other sources. It also shows that a second build does nothing."""
    cmake = cmake_of_the_build()
    for target in ("pitome_plugin", "host", "host_sanitized"):
        steps = output(cmake, "--build", BUILD / "cmake", "--target", target, "--", "--dry-run")
        assert not [line for line in steps.splitlines() if re.search(r" -c \S+ -o | -o \S+ -c ", line)], (
            "sources have changed: run `make plugin-sanitized plugin`"
        )


def configure(folder: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    command = [cmake_of_the_build(), "-S", ROOT / "plugins", "-B", folder, *settings]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_cmake_without_settings_says_what_to_do(tmp_path: Path) -> None:
    done = configure(tmp_path)
    assert done.returncode
    message = " ".join(done.stderr.split())
    assert "PITOME_VERSION is not set. Run `pitome plugin`" in message
    assert "gives that file to cmake with -C" in message


def test_host_library_needs_no_nvcc(tmp_path: Path) -> None:
    done = configure(tmp_path, "-C", str(built("toolchain.cmake")), "-DPITOME_NVCC=", "-DPITOME_CUDART=")
    assert done.returncode == 0, done.stderr
    targets = output(cmake_of_the_build(), "--build", tmp_path, "--target", "help").split()
    assert "pitome_plugin_host" in targets
    assert "pitome_plugin" not in targets
