"""Run one of this package's modules in a process of its own, with this process's imports."""

from __future__ import annotations

import os
import sys


def module_environment() -> dict[str, str]:
    """The environment for ``python -m pitome...``: what this process can import, the child can too.

    The import path is handed over as it is, so that a checkout, a wheel and a test find the same package.
    """
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
