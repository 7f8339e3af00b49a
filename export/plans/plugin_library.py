"""The plugin library as a file: whether it is one that this machine can load, and its version."""

from __future__ import annotations

from pathlib import Path

from pitome.errors import InputError
from pitome.runtime.shared_library import ask_library

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


def read_plugin_version(path: Path) -> str:
    """Return the version that a plugin library states, such as ``"0.1.0"``.

    Only the library itself knows it, so it is loaded, in a process of its own. What a bundle records is a
    copy of the file with its digest, for TensorRT to load.

    Raises:
        InputError: there is no such file, or it is not a plugin library for this machine.
    """
    try:
        return ask_library(path, _ASK)
    except ValueError as error:
        raise InputError(
            f"the plugin library {path}",
            str(error),
            "Run `make plugin` or `pitome plugin`, name another one with PLUGIN=, or use MERGE_PATH=function",
        ) from None
