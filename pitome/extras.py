"""Which extra of pyproject.toml brings a package that is not installed.

The core loads and verifies bundles. All else is imported where it is used, and a missing package is an error
that names the extra.
"""

from __future__ import annotations

from typing import Literal

from pitome.errors import BackendError

Extra = Literal["cpu", "gpu", "build", "validate"]

EXTRA_OF: dict[str, Extra] = {
    "onnxruntime": "cpu",
    "tensorrt": "gpu",
    "cuda": "gpu",
    "PIL": "build",
    "huggingface_hub": "build",
    "jinja2": "build",
    "matplotlib": "build",
    "onnx": "build",
    "onnx_ir": "build",
    "onnxscript": "build",
    "safetensors": "build",
    "scipy": "build",
    "skimage": "build",
    "tensorrt_rtx": "build",
    "tokenizers": "build",
    "torch": "build",
    "transformers": "build",
    "datasets": "validate",
    "sklearn": "validate",
}
"""The extra by the import name of each package that it names."""


def install_command(extra: Extra) -> str:
    """What installs an extra, in a checkout; the package is on no index yet."""
    return f"pip install '.[{extra}]'"


def missing_extra(asked: str, error: ModuleNotFoundError) -> BackendError | ModuleNotFoundError:
    """The error to raise in place of one that says that a package is not installed.

    Args:
        asked: what was wanted, such as ``"pitome engine"``.
        error: as it came from an import; it is returned as it is where no extra brings what is missing.
    """
    package = (error.name or "").partition(".")[0]
    extra = EXTRA_OF.get(package)
    if extra is None:
        return error
    return BackendError(
        asked,
        f"the Python package {package} is not installed; the extra {extra} brings it",
        f"Run {install_command(extra)} where pitome's source lies",
    )
