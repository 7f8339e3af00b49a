"""Graphs that a bundle's model is measured against: exported once, into a cache outside of any bundle."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from torch import nn

from pitome.compression import Compression, compress
from pitome.engine import keys
from pitome.engine.progress import Progress
from pitome.export.onnx import Precision, export_onnx
from pitome.methods import baseline_method
from pitome.models.loading import LoadedModel
from pitome.settings import MergeSettings

_KEPT = {"unmerged": 1, "unmerged.fp16": 1, "unmerged.bf16": 1, "tome": 4, "random": 4}
"""Graphs of one model that stay, by folder; bundles of several schedules have other ones each."""


def unmerged_graph(loaded: LoadedModel, progress: Progress, precision: Precision = "fp32") -> Path:
    """The unmerged model's graph, from the cache or made now; of fp32 but for what a plan is built from.

    One per model is kept: an earlier one, from other weights or other sources, is removed.
    """
    # Not the bare model: while it is traced, transformers puts an all-True mask into some families'
    # attention, and a baseline that adds a constant to every score would flatter the merged graph.
    return _cached(
        "unmerged" if precision == "fp32" else f"unmerged.{precision}",
        keys.unmerged_key(loaded, precision),
        loaded,
        lambda: compress(loaded.model, method="none"),
        progress,
        precision,
    )


def tome_graph(loaded: LoadedModel, compression: Compression, progress: Progress) -> tuple[Path, Compression]:
    """The fp32 graph of ToMe with a bundle's schedule and metric, and how it was compressed.

    Equal tokens in every layer and an equal metric are equal FLOPs. Everything else is ToMe's own.
    """
    settings = MergeSettings(baseline_method().name, metric=compression.settings.metric)
    tome = compress(loaded.model, compression.schedule, settings)
    found = tome.compression
    key = keys.onnx_key(loaded, found, "fp32")
    return _cached("tome", key, loaded, lambda: tome, progress), found


def random_graph(
    loaded: LoadedModel, compression: Compression, progress: Progress
) -> tuple[Path, Compression]:
    """The fp32 graph of random pairs with a bundle's schedule, and how it was compressed.

    It merges as many tokens and compares none: what another graph takes longer than this, its merges cost.
    """
    pairs = compress(loaded.model, compression.schedule, MergeSettings("random"))
    found = pairs.compression
    key = keys.onnx_key(loaded, found, "fp32")
    return _cached("random", key, loaded, lambda: pairs, progress), found


def _cached(
    kind: str,
    key: str,
    loaded: LoadedModel,
    make: Callable[[], nn.Module],
    progress: Progress,
    precision: Precision = "fp32",
) -> Path:
    from pitome.models.packaged import cache_errors, cache_folder

    cache = cache_folder() / kind
    final = cache / _entry(loaded, key)
    if final.is_dir():
        return final / "model.onnx"
    with cache_errors():
        cache.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=cache))
    try:
        with progress.step(f"Export the {kind} model") as report:
            outputs = loaded.family.outputs[loaded.task]
            export_onnx(make(), partial / "model.onnx", outputs=outputs, precision=precision, progress=report)
        _remove_earlier(cache, _short(loaded), _KEPT[kind] - 1)
        with cache_errors():
            _put(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final / "model.onnx"


def check_cache(loaded: LoadedModel) -> None:
    """Refuse a cache that can't take the unmerged graph, as far as that can be known without writing.

    Raises:
        InputError: with the place, the reason and what to do.
    """
    from pitome.models.packaged import cache_errors, cache_folder

    cache = cache_folder() / "unmerged"
    with cache_errors():
        if (cache / _entry(loaded, keys.unmerged_key(loaded))).is_dir():
            return  # nothing is to be written
        there = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


def _short(loaded: LoadedModel) -> str:
    """The model's name as far as every file system takes it with a key behind it."""
    return loaded.name[:100]


def _entry(loaded: LoadedModel, key: str) -> str:
    return f"{_short(loaded)}-{key[:16]}"


def _put(partial: Path, final: Path) -> None:
    try:
        partial.rename(final)
    except OSError:
        if not final.is_dir():  # another build may just have put it there
            raise


def _remove_earlier(cache: Path, name: str, kept: int) -> None:
    """Leave the ``kept`` newest graphs of a model."""
    there = sorted(cache.glob(f"{name}-{'[0-9a-f]' * 16}"), key=_modified, reverse=True)
    for folder in there[kept:]:
        shutil.rmtree(folder, ignore_errors=True)


def _modified(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # another build removed it
        return 0.0
