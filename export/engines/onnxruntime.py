"""onnxruntime sessions, opened the same way everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pitome.errors import BackendError

if TYPE_CHECKING:
    import onnxruntime


def open_session(path: Path, threads: int = 2) -> onnxruntime.InferenceSession:
    """A CPU session with all graph optimisations.

    Args:
        path: ONNX file.
        threads: of one operator; operators run one after another.

    Raises:
        BackendError: onnxruntime cannot load the file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for each of its status codes
        raise BackendError(
            f"running {Path(path).name} on onnxruntime",
            f"it cannot load the graph: {str(error).strip().splitlines()[0]}",
            "Check that the file is complete and that onnxruntime is the pinned version",
        ) from error
