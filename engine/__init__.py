"""The work of every command as a function of options and a progress, without a command line.

Nothing heavy is imported before a function is used. None of the names is also the name of a module in here:
importing such a module would put it in the name's place.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pitome.engine.bench_job import bench
    from pitome.engine.bundles import compare
    from pitome.engine.export_job import export
    from pitome.engine.main_job import Built, build
    from pitome.engine.options import BenchOptions, EngineOptions, ExportOptions
    from pitome.engine.plan_job import add_plan
    from pitome.engine.progress import Progress, Silent

_HOME = {
    "BenchOptions": "options",
    "Built": "main_job",
    "EngineOptions": "options",
    "ExportOptions": "options",
    "Progress": "progress",
    "Silent": "progress",
    "add_plan": "plan_job",
    "bench": "bench_job",
    "build": "main_job",
    "compare": "bundles",
    "export": "export_job",
}
__all__ = [
    "BenchOptions",
    "Built",
    "EngineOptions",
    "ExportOptions",
    "Progress",
    "Silent",
    "add_plan",
    "bench",
    "build",
    "compare",
    "export",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"pitome.engine.{_HOME[name]}"), name)
    raise AttributeError(f"module 'pitome.engine' has no attribute {name!r}")
