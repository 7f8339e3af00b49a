"""``make test-gpu-kernels``: the CUDA kernels, checked and measured in any Python with PyTorch and numpy."""

from __future__ import annotations

import importlib
import sys


def missing_in_this_python() -> str:
    """Why this Python can't run it; empty where it can."""
    if sys.version_info < (3, 11):  # noqa: UP036
        return "Python 3.11 or newer is needed, this is {}.{}".format(*sys.version_info)
    if not __debug__:
        return "the checks are assertions, which -O and PYTHONOPTIMIZE take away: run without them"
    for name in ("numpy", "torch"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            return f"import {name}: {error}"
    return ""


if __name__ == "__main__":
    # Before all other imports: an older Python may not even read those modules.
    reason = missing_in_this_python()
    if reason:
        remedy = (
            "Name a Python 3.11 or newer with PyTorch and numpy, as in make test-gpu-kernels PYTHON=python3"
        )
        print(f"error: {sys.executable}: {' '.join(reason.split())}. {remedy}", file=sys.stderr)
        sys.exit(2)
    from tests.plugins.gpu_kernels.command import main

    sys.exit(main(sys.argv[1:]))
