"""Which extra of pyproject.toml brings a package that is not installed.

The core loads and verifies bundles. All else is imported where it is used, and a missing package is an error
that names the extra.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pitome.errors import BackendError

Extra = Literal["cpu", "gpu", "rtx", "build", "validate", "sign", "embed", "ray"]

EXTRA_OF: dict[str, Extra] = {
    "onnxruntime": "cpu",
    "tensorrt": "gpu",
    "cuda": "gpu",
    "jinja2": "build",
    "matplotlib": "build",
    "onnx": "build",
    "onnx_ir": "build",
    "onnxscript": "build",
    "safetensors": "build",
    "skimage": "build",
    "tensorrt_rtx": "build",
    "torch": "build",
    "transformers": "build",
    "yaml": "build",
    "OpenSSL": "sign",
    "cryptography": "sign",
    "model_signing": "sign",
    "pyarrow": "embed",
    "ray": "ray",
    "datasets": "validate",
    "scipy": "validate",
    "sklearn": "validate",
}
"""The extra by the import name of each package that it names."""


def install_command(extra: Extra) -> str:
    """What installs an extra, in a checkout; the package is on no index yet."""
    return f"pip install '.[{extra}]'"


@contextmanager
def naming_extras(asked: str) -> Iterator[None]:
    """Within it, a package that is not installed is an error that names the extra that brings it.

    Args:
        asked: what was wanted, such as ``"pitome engine"``.

    Raises:
        BackendError: an import found no package of an extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = EXTRA_OF.get(package)
        if extra is None:
            raise
        raise BackendError(
            asked,
            f"the Python package {package} is not installed; the extra {extra} brings it",
            f"Run {install_command(extra)} where pitome's source lies",
        ) from error
