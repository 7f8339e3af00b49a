"""Energy-based token merging for transformers (PiToMe, arXiv 2405.16148).

    compressed = pitome.compress(model, ratio=0.9)

returns a module with the same signature; ``compressed.compression`` says what was done. Importing the package
imports no torch: names are loaded when they are used.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pitome.extras import naming_extras
from pitome.version import __version__

if TYPE_CHECKING:
    from pitome.compressed_model import CompressedModel
    from pitome.compression import Compression, compress
    from pitome.images.for_bundle import preprocess
    from pitome.merge import MergeResult, unmerge
    from pitome.models.loading import load_model
    from pitome.observe import observe_merges
    from pitome.op import energy_merge
    from pitome.parameters import MergeParameters
    from pitome.runtime.loading import load
    from pitome.schedule import TokenSchedule
    from pitome.settings import MergeSettings, ScheduleOptions

__all__ = [
    "CompressedModel",
    "Compression",
    "MergeParameters",
    "MergeResult",
    "MergeSettings",
    "ScheduleOptions",
    "TokenSchedule",
    "__version__",
    "compress",
    "energy_merge",
    "load",
    "load_model",
    "observe_merges",
    "preprocess",
    "unmerge",
]

# None of them is also the name of a module in here: importing such a module would put it in its place.
_WITHOUT_TORCH = {
    "MergeParameters": "pitome.parameters",
    "MergeSettings": "pitome.settings",
    "ScheduleOptions": "pitome.settings",
    "TokenSchedule": "pitome.schedule",
    "load": "pitome.runtime.loading",
    "preprocess": "pitome.images.for_bundle",
}
_WITH_TORCH = {
    "CompressedModel": "pitome.compressed_model",
    "Compression": "pitome.compression",
    "MergeResult": "pitome.merge",
    "compress": "pitome.compression",
    "energy_merge": "pitome.op",
    "load_model": "pitome.models.loading",
    "observe_merges": "pitome.observe",
    "unmerge": "pitome.merge",
}
_HOME = {**_WITHOUT_TORCH, **_WITH_TORCH}


if not TYPE_CHECKING:  # else every name would be there for a type checker

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'pitome' has no attribute {name!r}")
        with naming_extras(f"pitome.{name}"):
            return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """What can be used here: ``help`` loads every name that it shows."""
    unusable = set() if find_spec("torch") else _WITH_TORCH.keys()
    return [name for name in __all__ if name not in unusable]
