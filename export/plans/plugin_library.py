"""The plugin library as a file: whether it is one that this machine can load, and its version."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from pitome.errors import InputError

# The host build would take a GPU's pointers for its own.
_ASK = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.getCreators
library.pitome_merge_version.restype = ctypes.c_char_p
if hasattr(library, "pitome_host_counters"):
    sys.exit("it is the build for the CPU, which only tests use")
sys.stdout.write(library.pitome_merge_version().decode())
"""
_TYPE, _MACHINE, _SHARED_OBJECT = slice(16, 18), slice(18, 20), 3


def read_plugin_version(path: Path) -> str:
    """Return the version that a plugin library states, such as ``"0.1.0"``.

    Only the library itself knows it, so it is loaded, in a process of its own: a library that crashes, or
    registers something, does no harm to this one. It is no stranger's code: the user built or named this
    very file to have TensorRT load it, and what a bundle records is a copy of the file with its digest.

    Raises:
        InputError: there is no such file, or it is not a plugin library for this machine.
    """
    asked = f"the plugin library {path}"
    remedy = "Run `make plugin` or `pitome plugin`, name another one with PLUGIN=, or use MERGE_PATH=function"
    found = _unlike_this_machine(path)
    if found is None:
        command = [sys.executable, "-I", "-c", _ASK, str(path.resolve())]
        asking = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if asking.returncode == 0 and asking.stdout:
            return asking.stdout
        code = asking.returncode
        how = signal.Signals(-code).name if code < 0 else f"code {code}"
        last = (asking.stderr.strip().splitlines() or [f"a process that loaded it ended with {how}"])[-1]
        found = last.partition("Error: ")[2] or last
    raise InputError(asked, found, remedy)


def _unlike_this_machine(path: Path) -> str | None:
    """Say why its first bytes rule a file out: of another machine's, dlopen says that it does not exist."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
        with open("/proc/self/exe", "rb") as file:
            own = file.read(20)
    except OSError as error:
        return "there is no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
    if head[:4] != b"\x7fELF" or head[_TYPE] != _SHARED_OBJECT.to_bytes(2, sys.byteorder):
        return "it is not a shared library"
    # Class (bits), byte order and machine.
    if (head[4:6], head[_MACHINE]) != (own[4:6], own[_MACHINE]):
        return "it is for another kind of machine"
    return None
