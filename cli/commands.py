"""Every command, as the one application."""

from __future__ import annotations

from pitome.cli import (
    bench,
    build,
    compare,
    embed,
    engine,
    export,
    inspect,
    models,
    plans,
    plugin,
    push,
    results,
    sign,
    sweep,
    tune,
    validate,
    verify,
)
from pitome.cli.application import app

__all__ = [
    "app",
    "bench",
    "build",
    "compare",
    "embed",
    "engine",
    "export",
    "inspect",
    "models",
    "plans",
    "plugin",
    "push",
    "results",
    "sign",
    "sweep",
    "tune",
    "validate",
    "verify",
]
