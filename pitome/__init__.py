"""Energy-based token merging for transformers (PiToMe, arXiv 2405.16148).

Importing the package imports no torch: names are loaded when they are used. None of them is also the name
of a module in here: importing such a module would put it in the name's place.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_HOME = {
    "Compression": "pitome.compression",
    "MergeParameters": "pitome.parameters",
    "MergeResult": "pitome.merge",
    "TokenSchedule": "pitome.schedule",
    "compress": "pitome.compression",
    "energy_merge": "pitome.op",
    "load_model": "pitome.models.loading",
    "observe_merges": "pitome.observe",
    "unmerge": "pitome.merge",
}
__all__ = [*_HOME, "__version__"]

try:
    __version__ = version("pitome")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'pitome' has no attribute {name!r}")
