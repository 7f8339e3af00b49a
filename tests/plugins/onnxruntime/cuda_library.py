"""The builds of the operator with CUDA: for GPUs, and its kernels run by the CPU."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable

from pitome.plugins.tools.native_build import NATIVE_CUDA_OUTPUT, NATIVE_HOST_LIBRARY, NATIVE_LIBRARY

CUDA_LIBRARY = NATIVE_CUDA_OUTPUT.resolve() / NATIVE_LIBRARY
HOST_LIBRARY = NATIVE_CUDA_OUTPUT.resolve() / NATIVE_HOST_LIBRARY
"""Its operators are those for CUDA, registered for the CPU's provider."""


def launches(work: Callable[[], object]) -> dict[str, int]:
    """Kernel -> how often sessions with the host library launched it meanwhile."""
    # The library that onnxruntime has loaded: a file is loaded once into a process.
    library = ctypes.CDLL(str(HOST_LIBRARY))
    library.pitome_host_counters.restype = ctypes.c_char_p
    library.pitome_host_count(1)
    work()
    counted = json.loads(library.pitome_host_counters())
    library.pitome_host_count(0)
    return {name: counter["launches"] for name, counter in counted.items()}
