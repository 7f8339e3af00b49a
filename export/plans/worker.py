"""The process that builds one plan: ``python -m pitome.export.plans.worker EVENTS_FD``.

It is a process of its own because the builders write to stdout and stderr from C++ and may end in
std::terminate, and because a plugin library stays in the registry of the process that loaded it.

stdin: the request as one line of JSON, with the file to write until it is complete (``partial``) and the
folder of libraries that only this process needs (``links``), then nothing; its end, by the asker's wish or
death, cancels the build. EVENTS_FD: one line of JSON for each event, ``{"progress": [phase, done, total]}``,
then one of ``{"result": {...}}`` and ``{"error": [class, asked, found, remedy, lines]}``. stdout and stderr:
the log.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pitome.errors import BackendError, PitomeError
from pitome.export.plans.base import PlanRequest
from pitome.export.plans.checks import check_plugin_choice, find_backend
from pitome.export.plans.network import build_network
from pitome.runtime.plans.plan_header import read_plan_version

CANCEL_SECONDS = 3.0
"""How long a cancelled build may take to come to its next step before the process ends."""


class Events:
    """The way back to the asker, and its wish to stop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self.cancelled = threading.Event()

    def send(self, **event: Any) -> None:
        """Write one event. An asker that is gone cancels the build."""
        line = (json.dumps(event) + "\n").encode()
        try:
            with self._lock:
                while line:
                    line = line[os.write(self._descriptor, line) :]
        except OSError:
            self.cancelled.set()

    def report(self, phase: str, done: int, total: int) -> bool:
        """Send progress; False means stop. Never raises: the caller may be C++."""
        self.send(progress=[phase, done, total])
        return not self.cancelled.is_set()

    def watch(self, clean_up: Callable[[], None]) -> None:
        """Wait for the end of stdin, then for the build to stop; a build that does not is ended here."""
        os.read(0, 1)
        self.cancelled.set()
        time.sleep(CANCEL_SECONDS)
        clean_up()
        os._exit(1)


def main() -> int:
    """Build the plan that stdin asks for."""
    started = time.monotonic()
    events = Events(int(sys.argv[1]))
    asked = json.loads(_read_line())
    partial, links = Path(asked.pop("partial")), asked.pop("links")
    paths = {name: asked[name] and Path(asked[name]) for name in ("onnx", "plan", "plugin")}
    request = PlanRequest(**{**asked, **paths})

    def clean_up() -> None:
        partial.unlink(missing_ok=True)
        if links is not None:  # the asker may be dead
            shutil.rmtree(links, ignore_errors=True)

    threading.Thread(target=events.watch, args=(clean_up,), daemon=True).start()
    try:
        events.send(result=_build(request, partial, events, started))
    except PitomeError as error:
        events.send(error=[type(error).__name__, error.asked, error.found, error.remedy, error.lines])
        return 1
    finally:
        clean_up()
    return 0


def _build(request: PlanRequest, partial: Path, events: Events, started: float) -> dict[str, Any]:
    check_plugin_choice(request)
    backend = find_backend(request.backend)
    trt = importlib.import_module(backend.library.module)
    targets = backend.resolve_targets(request)
    built = build_network(trt, backend, request, targets, events.report)
    events.report("Writing the plan", 0, 1)
    try:
        version = _write(built.plan, partial)
        if not events.report("Writing the plan", 1, 1):
            raise BackendError(f"building {request.plan}", "it was cancelled", "Run the same command again")
        partial.replace(request.plan)
    except OSError as error:
        raise BackendError(
            f"writing {request.plan} ({len(built.plan) / 1e6:.1f} MB)",
            os.strerror(error.errno or 0),
            "Make room, or choose another OUT, and run the same command again",
        ) from error
    return {
        "bytes": len(built.plan),
        "sha256": hashlib.sha256(built.plan).hexdigest(),
        "backend_version": version,
        "targets": targets,
        "merge_path": built.merge_path,
        "plugin_embedded": request.needs_plugin and request.embed_plugin,
        "num_layers": built.num_layers,
        "build_seconds": time.monotonic() - started,
    }


def _write(plan: Any, partial: Path) -> str:
    """Write the plan and return the version its header states. Raises OSError."""
    with partial.open("wb") as file:
        file.write(plan)
        file.flush()
        os.fsync(file.fileno())
    return read_plan_version(partial)


def _read_line() -> bytes:
    """Read stdin to its first newline, unbuffered: the rest of it is the watcher's."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 4096)
        if not byte:
            raise SystemExit("no request on stdin: this module is started by pitome.export.plans.build_plan")
        line += byte
    return line


if __name__ == "__main__":
    sys.exit(main())
