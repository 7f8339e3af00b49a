"""The first bytes of a plan file: which library wrote it, and whether it is whole.

Measured on TensorRT-RTX 1.7.1 (little endian): bytes 0-3 a tag that ends in ``trt``, 16-23 the size of the
whole file, 24-27 major, minor, patch and build. NVIDIA documents the version bytes, not the size.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from pitome.errors import BackendError, InputError

HEADER = struct.Struct("<4s12xQ4B")
RTX_TAG = b"vtrt"


@dataclass(frozen=True)
class PlanHeader:
    """What a plan says of itself before anything of it is deserialised."""

    by_rtx: bool
    """Whether TensorRT-RTX wrote it, and not TensorRT."""
    version: str
    """Of the library that wrote it, such as "1.7.1.116"."""


def read_plan_version(path: Path) -> str:
    """Return the version of the library that wrote a plan, such as ``"1.7.1.116"``.

    The rest of the plan is not looked at: ask this before a plan is deserialised.

    Raises:
        InputError: there is no such file, or it cannot be read.
        BackendError: the file is not a plan, or it is cut short.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEADER.size)
    except OSError as error:
        raise InputError(
            f"the plan {path}", f"it cannot be read ({error.strerror})", "Build it again"
        ) from error
    return plan_header(f"the plan {path}", head, size).version


def plan_header(asked: str, head: bytes, size: int) -> PlanHeader:
    """Read the header of a plan of ``size`` bytes, whose first ones are ``head``.

    Raises:
        BackendError: it is not a plan, or it is cut short.
    """
    if head[1:4] != b"trt"[: len(head[1:4])] or not head:
        raise BackendError(asked, "the file is not a TensorRT plan", "Build it again")
    if len(head) < HEADER.size:
        raise BackendError(
            asked, f"the file is cut short: {size} bytes, less than a plan's header", "Build it again"
        )
    tag, whole, *version = HEADER.unpack(head[: HEADER.size])
    # Only TensorRT-RTX was measured to write its whole size here.
    if tag == RTX_TAG and size != whole:
        raise BackendError(
            asked,
            f"the file has {size} bytes and its header says {whole}",
            "Build it again, or copy it again",
        )
    return PlanHeader(tag == RTX_TAG, ".".join(str(number) for number in version))
