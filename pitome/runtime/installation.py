"""Whether onnxruntime is installed once. Its distributions all own the folder onnxruntime/: the one that is
installed last overwrites the others' files, and takes them along when it is uninstalled."""

from __future__ import annotations

from importlib import metadata

from pitome.errors import BackendError
from pitome.extras import install_command

DISTRIBUTIONS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "onnxruntime-migraphx",
    "onnxruntime-qnn",
    "onnxruntime-rocm",
)


def check_onnxruntime(asked: str) -> None:
    """Call it before ``import onnxruntime``.

    Args:
        asked: what onnxruntime is needed for, as an error says it.

    Raises:
        BackendError: none of its distributions is installed, or several are.
    """
    found = [name for name in DISTRIBUTIONS if _is_installed(name)]
    cpu, gpu = install_command("cpu"), install_command("gpu")
    if not found:
        raise BackendError(
            asked,
            "onnxruntime is not installed",
            f"Run {cpu} where pitome's source lies, or {gpu} for an NVIDIA GPU",
        )
    if len(found) > 1:
        raise BackendError(
            asked,
            f"{' and '.join(found)} are installed, and overwrite each other's files",
            f"Run pip uninstall --yes {' '.join(found)}, then install one of them, with {cpu} or {gpu}",
        )


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
