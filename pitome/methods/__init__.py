"""The merge methods behind one interface: named settings, and a merger for each layer."""

from pitome.methods.mergers import EnergyMerger, Merger, RandomMerger, build_merger
from pitome.methods.settings import METHOD_NAMES, MethodSettings, resolve_settings

__all__ = [
    "METHOD_NAMES",
    "EnergyMerger",
    "Merger",
    "MethodSettings",
    "RandomMerger",
    "build_merger",
    "resolve_settings",
]
