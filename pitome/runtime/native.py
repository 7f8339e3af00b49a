"""The merge as an operator of onnxruntime's own: a library that a session loads in place of the function.

A model file carries the operator's body as a function and runs without any of this. A registered operator
of the same name goes before the function, and no file has to change for it.
"""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.errors import BackendError, InputError
from pitome.runtime.devices import CPU, TENSORRT_PROVIDER, Device
from pitome.runtime.shared_library import ask_library, unlike_this_system

if TYPE_CHECKING:
    import onnxruntime

    from pitome.bundle.record import NativeRecord

NATIVE_NAME = "libpitome_onnxruntime.so"
"""The library, where it is built and in a bundle."""
OPERATOR = ("pitome", "EnergyMerge")
"""Domain and name of the operator. Not from pitome.op, which imports torch."""
RECORD_PLACEMENT = "session.record_ep_graph_assignment_info"
"""The setting of a session that makes onnxruntime (from 1.24 on) tell which nodes it runs."""
_BUILD_IT = "Build it with `make native` or `pitome plugin --native`"
_WITHOUT = "Leave the library out: the model then runs by the function that it carries"
_INSTRUCTION_SETS = {
    "AVX3": "avx512f",
    "AVX2": "avx2",
    "SSE4": "sse4.2",
    "SSE2": "sse2",
    "NEON": "neon",
    "NEON_WITHOUT_AES": "neon",
}
"""Highway's names of them -> those that /proc/cpuinfo has."""

_ASK = """
import ctypes, json, sys
library = ctypes.CDLL(sys.argv[1])
told = {}
for name in ("version", "instruction_sets", "providers"):
    function = getattr(library, "pitome_onnxruntime_" + name)
    function.restype = ctypes.c_char_p
    told[name] = function().decode()
told["api"] = int(library.pitome_onnxruntime_api())
sys.stdout.write(json.dumps(told))
"""


@dataclass(frozen=True)
class NativeLibrary:
    """A library, and what is known of it: that of a bundle's manifest, or what ``describe_native`` found."""

    path: Path
    record: NativeRecord

    def check_device(self, asked: str, device: Device) -> None:
        """Refuse a device on which merges would leave the GPU, or its provider.

        Args:
            asked: what the library is wanted for, as an error says it.
            device: where the session is to run.

        Raises:
            InputError: the library has no operator for it.
        """
        given = f"{asked} with the operator library and DEVICE={device.name}"
        if device == CPU:
            return
        if device.provider == TENSORRT_PROVIDER:
            found = "TensorRT takes no operator of onnxruntime's, and every merge would cut its graph in two"
            raise InputError(given, found, "Leave the library out, or use DEVICE=cuda or DEVICE=cpu")
        if device.provider not in self.record.providers:
            found = "the library has the operator for the CPU only"
            raise InputError(given, found, "Leave the library out, or use DEVICE=cpu")

    def check(self) -> None:
        """Whether it is the file that was recorded, and this machine can load it.

        Raises:
            BackendError: the file is missing or another one, or it is for another processor, a newer C
                library or a newer onnxruntime.
        """
        from pitome.bundle.verification import file_sha256

        asked = f"the operator library {self.path}"
        if not self.path.is_file():
            raise BackendError(asked, "there is no such file", f"{_BUILD_IT}. {_WITHOUT}")
        digest = file_sha256(self.path)
        if digest != self.record.sha256:
            found = f"its SHA-256 is {digest}, that of the recorded file {self.record.sha256}"
            raise BackendError(asked, found, "Do not load it: build it again, or restore the file")
        self.check_machine()

    def check_machine(self) -> None:
        """Whether this machine can load it, by what is recorded; the file is not looked at.

        Raises:
            BackendError: it is for another processor, a newer C library or a newer onnxruntime.
        """
        asked = f"the operator library {self.path}"
        if reason := unlike_this_system(self.record.arch, self.record.glibc):
            raise BackendError(asked, reason, _WITHOUT)
        self._check_onnxruntime(asked)

    def register(self, options: onnxruntime.SessionOptions) -> None:
        """Check it, and let sessions with these options use it.

        Raises:
            BackendError: as ``check``; or onnxruntime did not load it.
        """
        self.check()
        try:
            options.register_custom_ops_library(str(self.path))
        except Exception as error:  # onnxruntime's exceptions share no base class but Exception
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise BackendError(
                f"the operator library {self.path}", f"onnxruntime did not load it ({reason})", _WITHOUT
            ) from error

    def _check_onnxruntime(self, asked: str) -> None:
        import onnxruntime

        api = self.record.onnxruntime_api
        if api and _numbers(onnxruntime.__version__)[:2] < (1, api):
            found = f"it needs onnxruntime 1.{api} or newer, {onnxruntime.__version__} is installed"
            raise BackendError(asked, found, f"Install a newer onnxruntime. {_WITHOUT}")


def describe_native(path: Path) -> NativeLibrary:
    """A library that was built here. A process of its own loads it, to ask it what it is.

    Raises:
        BackendError: there is no such file, or it is none of these libraries.
    """
    from pitome.bundle.record import NativeRecord
    from pitome.bundle.verification import file_sha256

    try:
        told = json.loads(ask_library(path, _ASK))
    except ValueError as error:
        raise BackendError(f"the operator library {path}", str(error), _BUILD_IT) from None
    sets, providers = told["instruction_sets"].split(), told["providers"].split()
    record = NativeRecord(
        file=NATIVE_NAME,
        sha256=file_sha256(path),
        kind="onnxruntime",
        version=told["version"],
        arch=platform.machine(),
        glibc=oldest_glibc(path),
        onnxruntime_api=told["api"],
        instruction_sets=tuple(_INSTRUCTION_SETS[name] for name in sets if name in _INSTRUCTION_SETS),
        providers=tuple(providers),
    )
    return NativeLibrary(path, record)


def oldest_glibc(path: Path) -> str | None:
    """The oldest glibc with every symbol that a library asks of it; None where it asks for none."""
    names = set(re.findall(rb"\0GLIBC_(\d+(?:\.\d+)+)(?=\0)", path.read_bytes()))
    versions = sorted((name.decode() for name in names), key=_numbers)
    return versions[-1] if versions else None


def count_native_merges(session: onnxruntime.InferenceSession) -> int | None:
    """How many merges a session runs by the library; None where this onnxruntime does not tell.

    The session must have been opened with ``RECORD_PLACEMENT``.
    """
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    parts = session.get_provider_graph_assignment_info()
    return sum((node.domain, node.op_type) == OPERATOR for part in parts for node in part.get_nodes())


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
