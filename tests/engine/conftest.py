"""The small models and the bundle of the command line's tests."""

from __future__ import annotations

from tests.cli.conftest import _own_cache, built, changed_model, clip_folder, copied, vit_folder

__all__ = ["_own_cache", "built", "changed_model", "clip_folder", "copied", "vit_folder"]
