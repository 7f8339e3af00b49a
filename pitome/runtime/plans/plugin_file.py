"""The plugin library of a plan, from a file into the process: what is hashed is what is loaded.

A library stays in the registry of its process, and a registry takes one library of a kind. So each backend
has at most one here, and a second one with other bytes is refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import BundleError, InputError
from pitome.runtime.backends import PlanBackend
from pitome.runtime.shared_library import unlike_this_system
from pitome.runtime.tensorrt_plugin import load_plugin

if TYPE_CHECKING:
    from pitome.bundle.record import NativeRecord


@dataclass(frozen=True)
class PluginFile:
    """A plugin library, and what the bundle records of it."""

    path: Path
    record: NativeRecord | None = None
    """None: a library that the user names; no digest is known of it."""

    def read(self, asked: str) -> bytes:
        """Its bytes, which are those that were recorded.

        Raises:
            InputError: there is no such file.
            BundleError: it is another file than the recorded one, or for another machine.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            reason = "there is no" if isinstance(error, FileNotFoundError) else f"{error.strerror}:"
            raise InputError(asked, f"{reason} plugin library {self.path}", "Get the bundle again") from error
        if self.record is None:
            return content
        found = hashlib.sha256(content).hexdigest()
        if found != self.record.sha256:
            raise BundleError(
                asked,
                f"the plugin library {self.path} is not the recorded one of version {self.record.version}: "
                f"expected sha256 {self.record.sha256[:12]}, found {found[:12]}",
                "Do not load it: get the bundle again",
            )
        if misfit := unlike_this_system(self.record.arch, self.record.glibc):
            raise BundleError(
                asked,
                f"the plugin library {self.path} can't be loaded: {misfit}",
                "Use a plan with merge_path function",
            )
        return content


@dataclass(frozen=True)
class _Registered:
    path: Path
    sha256: str


_registered: dict[str, _Registered] = {}
"""Backend -> what is in its registry."""
_registering = threading.Lock()


def register_plugin(
    trt: Any, backend: PlanBackend, asked: str, plugin: PluginFile, errors: Sequence[str]
) -> None:
    """Put a plugin library into the process's registry; each bundle has a copy of it, and one is enough.

    Args:
        trt: the imported module.
        backend: which it is.
        asked: what an error begins with.
        plugin: the library.
        errors: what the logger has heard, and goes on hearing.

    Raises:
        InputError: no such file, or another library is registered.
        BundleError: it is not the recorded one, or for another machine.
        BackendError: the runtime refuses it.
    """
    content = plugin.read(asked)
    digest = hashlib.sha256(content).hexdigest()
    with _registering:
        before = _registered.get(backend.name)
        if before is not None and before.sha256 != digest:
            raise InputError(
                f"{asked} with the plugin library {plugin.path}",
                f"this process has loaded another one, {before.path} (sha256 {before.sha256[:12]}, not "
                f"{digest[:12]}), and takes no second",
                "Run it in a process of its own, or build both plans with one library",
            )
        if before is None:
            load_plugin(trt, backend, asked, _sealed_copy(content), errors, shown=plugin.path)
            _registered[backend.name] = _Registered(plugin.path, digest)


def _sealed_copy(content: bytes) -> Path:
    """A file in memory that holds these bytes and can't be changed, for as long as the process lives.

    Its descriptor stays open: the loader knows libraries by name, and a name that is used again for another
    file would give the first one.
    """
    descriptor = os.memfd_create("pitome-plugin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return Path(f"/proc/self/fd/{descriptor}")
