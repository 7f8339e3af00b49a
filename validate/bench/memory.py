"""Peak memory of models: a process that loads one ONNX file and runs it once, or a PyTorch module.

``python -m pitome.validate.bench.memory FILE`` is the process. It is a fresh one, and what a process takes
that only imports the same modules is taken off. Read is Linux's VmHWM and not ``getrusage``: ru_maxrss
survives exec, so a child starts with the peak of its parent.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.bundle.latency_records import Memory
from pitome.child_process import module_environment
from pitome.errors import BackendError, InputError, PitomeError
from pitome.runtime import CPU, Device, parse_device
from pitome.runtime.native import NativeLibrary, describe_native

if TYPE_CHECKING:
    from torch import nn

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
TIMEOUT_SECONDS = 1800


def measure_memory(
    path: Path,
    batch: int,
    threads: int = 2,
    seed: int = 0,
    device: Device = CPU,
    native: NativeLibrary | None = None,
) -> Memory:
    """Load an ONNX file in a fresh process, run it once on seeded inputs, and see what that took.

    Args:
        path: ONNX file.
        batch: inputs of the run.
        threads: intra-operator threads.
        seed: of the inputs.
        device: where onnxruntime runs it; counted is the host's memory.
        native: computes its merges.

    Raises:
        InputError: the file can't be loaded, or the system does not tell a process's peak (only Linux does).
        BackendError: the process died, such as for want of memory, or took more than half an hour.
    """
    asked = f"the peak memory of {path} at batch {batch}"
    if not STATUS.is_file():
        raise InputError(asked, "this system has no /proc/self/status", "Measure memory on Linux")
    numbers = _child(
        asked,
        (
            str(path),
            f"--batch={batch}",
            f"--threads={threads}",
            f"--seed={seed}",
            f"--device={device.name}",
            *([] if native is None else [f"--native={native.path}"]),
        ),
    )
    baseline = _baseline()
    return Memory(
        peak_bytes=max(0, numbers["peak_bytes"] - baseline),
        running_bytes=max(0, numbers["running_bytes"] - baseline),
        baseline_bytes=baseline,
    )


def module_memory(model: nn.Module, run: Callable[[], object]) -> Memory:
    """The weights of a PyTorch module, and what a run of it adds to this process.

    Args:
        model: its parameters and buffers are counted, shared ones once.
        run: runs it once; it is run twice, so that what only the first run makes is not counted.

    Raises:
        InputError: the system does not tell a process's peak (only Linux does).
    """
    if not STATUS.is_file():
        raise InputError(
            "the peak memory of a PyTorch module",
            "this system has no /proc/self/status",
            "Measure memory on Linux",
        )
    tensors = {each.data_ptr(): each.nbytes for each in (*model.parameters(), *model.buffers())}
    weights = sum(tensors.values())
    run()
    gc.collect()
    with suppress(AttributeError):  # glibc only: free pages would be taken again without being seen
        ctypes.CDLL(None).malloc_trim(0)
    before = _status_bytes("VmRSS")
    forget_peak()
    run()
    needed = weights + max(0, peak_bytes() - before)
    return Memory(peak_bytes=needed, running_bytes=needed, baseline_bytes=max(0, before - weights))


def main(arguments: Sequence[str] | None = None) -> int:
    """Load and run FILE, or nothing where there is none; print the peaks in bytes as JSON."""
    parser = argparse.ArgumentParser("python -m pitome.validate.bench.memory", description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", help="ONNX file; without it only the imports are done")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default=CPU.name)
    parser.add_argument("--native", type=Path, help="the operator library")
    given = parser.parse_args(arguments)
    import onnxruntime  # noqa: F401  the baseline has it too

    from pitome.runtime.onnxruntime import OnnxRuntime
    from pitome.validate.bench.feeds import seeded_inputs

    runtime = None
    try:
        if given.file:
            device = parse_device(given.device)
            purpose = f"the latency of {given.file}"
            native = describe_native(given.native) if given.native else None
            runtime = OnnxRuntime(
                given.file, threads=given.threads, device=device, purpose=purpose, native=native
            )
    except PitomeError as error:
        print(json.dumps({"error": [error.asked, error.found, error.remedy, error.lines]}))
        return error.exit_code
    loading = peak_bytes()
    forget_peak()
    if runtime is not None:
        runtime.prepare(seeded_inputs(runtime.inputs, given.batch, given.seed))()
    running = peak_bytes()
    print(json.dumps({"peak_bytes": max(loading, running), "running_bytes": running}))
    return 0


def peak_bytes() -> int:
    """The most resident memory that this process ever had, or since :func:`forget_peak`."""
    return _status_bytes("VmHWM")


def _status_bytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", STATUS.read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None, "a process without memory"
    return 1024 * int(found.group(1))


def forget_peak() -> None:
    """Begin to count the peak from what is resident now (Linux, Documentation/filesystems/proc.rst)."""
    CLEAR.write_text("5", encoding="ascii")


@lru_cache
def _baseline() -> int:
    return _child("the memory of a process that only imports onnxruntime", ())["peak_bytes"]


def _child(asked: str, arguments: Sequence[str]) -> dict[str, int]:
    try:
        done = subprocess.run(  # noqa: S603  this very module
            [sys.executable, "-m", "pitome.validate.bench.memory", *arguments],
            env=module_environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BackendError(
            asked, f"the process was not done after {TIMEOUT_SECONDS} seconds", "Choose a smaller batch"
        ) from None
    if done.returncode == InputError.exit_code and done.stdout.startswith('{"error"'):
        raise InputError(*json.loads(done.stdout)["error"])
    if done.returncode:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise BackendError(
            asked, f"the process ended with {done.returncode} ({last})", "Choose a smaller batch"
        )
    found: dict[str, int] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
