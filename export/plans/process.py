"""Start the builder process, follow it, and turn whatever becomes of it into a result or one error."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from pitome import errors
from pitome.child_process import module_environment
from pitome.export.plans.base import PlanRequest, PlanResult, Progress
from pitome.export.plans.checks import check_files, check_request, find_backend

STOP_SECONDS = 5.0
"""How long a cancelled builder may take before it is killed."""
LOG_LINES = 20
"""How much of the builder's log an error shows."""


def build_plan(request: PlanRequest, progress: Progress | None = None) -> PlanResult:
    """Build one plan in a process of its own, and return when the file is complete.

    Whatever stops it (an error, a crash, a full disk, Ctrl-C, an exception of ``progress``), no part of a
    plan stays behind and a plan that was there before stays as it was.

    Args:
        request: what to build.
        progress: called in this process as ``progress(phase, done, total)`` while the builder works.

    Raises:
        InputError: the request cannot be built by this backend, or its files are not as they should be.
        BackendError: the backend is missing, refused the model, crashed, or could not write the plan.
    """
    check_request(request)
    check_files(request)
    partial = request.plan.with_name(f".{request.plan.name}.{os.getpid()}.partial")
    with tempfile.TemporaryFile() as log:
        events_read, events_write = os.pipe()
        with open(events_read, "rb") as events:
            try:
                worker = _start(events_write, log)
            finally:
                os.close(events_write)
            try:
                _ask(worker, request, partial)
                outcome = _follow(events, progress)
                worker.wait()
            finally:
                events.close()  # a builder that waits to report its progress goes on, and sees the end
                _stop(worker)
                partial.unlink(missing_ok=True)
        # The plan is complete once there is a result: a crash while the library unloads does not undo it.
        if "result" in outcome:
            return _result(request, outcome["result"])
        if "error" in outcome:
            kind, *sentences = outcome["error"]
            raise getattr(errors, kind)(*sentences)
        raise _crash(request, worker.returncode, log)


def _start(events: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    # -P keeps the working folder, and any onnx.py in it, out of the builder's imports.
    return subprocess.Popen(  # noqa: S603 (this interpreter and this module, nothing from outside)
        [sys.executable, "-P", "-m", "pitome.export.plans.worker", str(events)],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        pass_fds=(events,),
        env=module_environment(),
        process_group=0,  # the terminal's Ctrl-C is for this process, which then stops the builder in order
    )


def _ask(worker: subprocess.Popen[bytes], request: PlanRequest, partial: Path) -> None:
    """Hand the request over; stdin stays open, because its end means stop."""
    asked = {**asdict(request), "onnx": str(request.onnx.resolve()), "plan": str(request.plan.resolve())}
    asked["plugin"] = request.plugin and str(request.plugin.resolve())
    asked["partial"] = str(partial.resolve())
    assert worker.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once; its exit code and log say why
        worker.stdin.write(json.dumps(asked).encode() + b"\n")
        worker.stdin.flush()


def _follow(events: IO[bytes], progress: Progress | None) -> dict[str, Any]:
    """Pass progress on until the builder closes its end; return its last word, or nothing."""
    outcome: dict[str, Any] = {}
    for event in _decode(events):
        if "progress" not in event:
            outcome = event
        elif progress is not None:
            progress(*event["progress"])
    return outcome


def _decode(events: IO[bytes]) -> Iterator[dict[str, Any]]:
    for line in events:
        if line.endswith(b"\n"):  # a killed builder may leave half a line
            yield json.loads(line)


def _stop(worker: subprocess.Popen[bytes]) -> None:
    """End the builder where it still runs: by the end of its stdin first, then by force."""
    assert worker.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        worker.stdin.close()
    try:
        worker.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def _result(request: PlanRequest, found: dict[str, Any]) -> PlanResult:
    return PlanResult(
        plan=request.plan,
        backend=request.backend,
        profile=request.profile,
        precision=request.precision,
        num_merges=request.num_merges,
        **{**found, "targets": tuple(found["targets"])},
    )


def _crash(request: PlanRequest, code: int, log: IO[bytes]) -> errors.BackendError:
    label = find_backend(request.backend).label
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    remedy = "Report the model and these lines as a bug"
    if -code == signal.SIGKILL:
        remedy = "Check that the machine has memory enough, and run the same command again"
    told, lines = _last_lines(log)
    return errors.BackendError(
        f"a {label} plan of {request.onnx.name}", f"the builder process {how}; {told}", remedy, lines
    )


def _last_lines(log: IO[bytes]) -> tuple[str, list[str]]:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - 16_384))
    lines = log.read().decode(errors="replace").splitlines()[-LOG_LINES:]
    if not lines:
        return "it wrote no log", []
    return "the end of its log:", [f"| {line}" for line in lines]
