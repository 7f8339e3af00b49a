"""onnxruntime sessions, opened the same way everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pitome.errors import InputError

if TYPE_CHECKING:
    import onnxruntime

PROVIDER = "CPUExecutionProvider"


def open_session(path: Path, threads: int = 2, purpose: str | None = None) -> onnxruntime.InferenceSession:
    """A CPU session with all graph optimisations.

    Args:
        path: ONNX file.
        threads: of one operator; operators run one after another.
        purpose: what the session is for, as an error says it.

    Raises:
        InputError: the file is missing, or onnxruntime cannot load it.
    """
    import onnxruntime

    asked = purpose or f"running {path}"
    if not path.is_file():
        raise InputError(asked, "there is no such file", "Export the model first")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors only: warnings would go to stderr from C++
    # Threads spin while a run lasts (the default); an idle session's must not spin into another's time.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # Weights outside the arena: the arena grows by doubling and would take up to twice their size.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[PROVIDER])
    except Exception as error:  # onnxruntime's exceptions share no base class but Exception
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            asked, f"onnxruntime {onnxruntime.__version__} can't load it ({reason})", "Export the model again"
        ) from error
