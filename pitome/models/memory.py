"""How much memory there is, so that what can't fit is refused before any of it is taken. Imports no torch."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pitome.errors import InputError

_MEMINFO = Path("/proc/meminfo")
_CGROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)
"""Limit and use of a container's memory, of version 2 and of version 1."""


def available_bytes() -> int | None:
    """Memory that this process can still take: the machine's, or what its container leaves; None where the
    system does not say."""
    found = []
    with suppress(OSError, ValueError, IndexError):
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    for limit, used in _CGROUPS:
        with suppress(OSError, ValueError):  # no container, or the word "max"
            found.append(max(0, int(limit.read_text()) - int(used.read_text())))
    return min(found, default=None)


def check_memory(asked: str, needed: int, remedy: str) -> None:
    """Refuse what needs more bytes than there are.

    Raises:
        InputError: with both in GB.
    """
    available = available_bytes()
    if available is not None and needed > available:
        raise InputError(
            asked,
            f"it needs at least {_gigabytes(needed)} GB of memory, and {_gigabytes(available)} GB are there",
            remedy,
        )


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:,.1f}"
