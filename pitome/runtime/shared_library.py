"""A shared library as a file: whether this machine can load it, and what it says of itself."""

from __future__ import annotations

import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

_TYPE, _MACHINE, _SHARED_OBJECT = slice(16, 18), slice(18, 20), 3


def unlike_this_system(arch: str | None, glibc: str | None) -> str | None:
    """Why a library that was recorded can't be loaded here; None where nothing speaks against it.

    Args:
        arch: the processor that it is for, such as "x86_64"; None = not known.
        glibc: the oldest C library that has what it needs; None = not known.
    """
    if arch and platform.machine() != arch:
        return f"it is for {arch}, this machine is {platform.machine()}"
    name, version = platform.libc_ver()
    if glibc and (name != "glibc" or _numbers(version) < _numbers(glibc)):
        here = f"{name} {version}" if name else "another C library"
        return f"it needs glibc {glibc}, this machine has {here}"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def ask_library(path: Path, script: str) -> str:
    """What a script of Python's ctypes prints of a library, whose path is its argument.

    It runs in a process of its own: a library that crashes, or registers something, does no harm to this one.
    It is no stranger's code: the user built or named this very file.

    Raises:
        ValueError: there is no such file, it is not a library for this machine, or the script did not end
            well; the text says which.
    """
    if reason := _unlike_this_machine(path):
        raise ValueError(reason)
    command = [sys.executable, "-I", "-c", script, str(path.resolve())]
    asking = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if asking.returncode == 0 and asking.stdout:
        return asking.stdout
    code = asking.returncode
    how = signal.Signals(-code).name if code < 0 else f"code {code}"
    last = (asking.stderr.strip().splitlines() or [f"a process that loaded it ended with {how}"])[-1]
    raise ValueError(last.partition("Error: ")[2] or last)


def _unlike_this_machine(path: Path) -> str | None:
    """Say why its first bytes rule a file out: of another machine's, dlopen says that it does not exist."""
    if path.exists() and not path.is_file() and not path.is_dir():
        return "it is not a regular file"  # opening a pipe would wait for who writes to it
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
