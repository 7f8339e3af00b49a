"""``python -m pitome.validate.gpu.session REQUEST ANSWER``: work on the GPU in a process of its own.

A kernel that reads where it must not spoils CUDA for the whole process, and TensorRT may end it. Then this
process is lost and the report says so; the others go on. TensorRT and TensorRT-RTX never meet in one process.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pitome import errors
from pitome.child_process import module_environment
from pitome.errors import BackendError, PitomeError
from pitome.validate.gpu.requests import REQUEST, Request

SECONDS = 3600.0
"""How long one piece of work may take: far more than it should."""
LOG_LINES = 20


def run_session(request: Request, seconds: float = SECONDS) -> Any:
    """Have a process do the work; its answer as JSON values.

    Raises:
        PitomeError: as the process raised it.
        BackendError: the process crashed, ended without an answer, or took longer than ``seconds``.
    """
    asked = f"the work {request.work!r} with {request.backend} on the GPU"
    with tempfile.TemporaryDirectory(prefix="pitome-gpu-") as folder:
        question, answer, log = (Path(folder) / name for name in ("request.json", "answer.json", "log.txt"))
        question.write_text(request.model_dump_json(), encoding="utf-8")
        with log.open("wb") as output:
            try:
                code = subprocess.run(  # noqa: S603 (this interpreter and this module)
                    [sys.executable, "-P", "-m", "pitome.validate.gpu.session", str(question), str(answer)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=seconds,
                    check=False,
                    env=module_environment(),
                ).returncode
            except subprocess.TimeoutExpired as error:
                told, lines = _end_of(log)
                raise BackendError(
                    asked, f"it was not done in {seconds:g} s; {told}", "Report this as a bug", lines
                ) from error
        if not answer.is_file():
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            told, lines = _end_of(log)
            raise BackendError(asked, f"the process {how}; {told}", "Report this as a bug", lines)
        found = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in found:
        kind, *sentences = found["error"]
        raise getattr(errors, kind)(*sentences)
    return found["answer"]


def main() -> int:
    """Do the work that the first argument's file asks for, and answer in the second's."""
    request = REQUEST.validate_json(Path(sys.argv[1]).read_bytes())
    answer = Path(sys.argv[2])
    from pitome.validate.gpu import work

    try:
        found = {"answer": work.do(request)}
    except PitomeError as error:
        found = {"error": [type(error).__name__, error.asked, error.found, error.remedy, error.lines]}
    partial = answer.with_suffix(".partial")
    partial.write_text(json.dumps(found), encoding="utf-8")
    partial.replace(answer)
    return 0


def _end_of(log: Path) -> tuple[str, list[str]]:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
    if not lines:
        return "it wrote no log", []
    return "the end of its log:", [f"| {line}" for line in lines]


if __name__ == "__main__":
    sys.exit(main())
