"""``pitome.load``: a bundle, checked and opened. Imports neither torch nor transformers."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pitome.bundle.graph_records import GraphRecord
from pitome.bundle.manifest import Manifest
from pitome.bundle.verification import read_manifest
from pitome.errors import BackendError, BundleError, InputError, PitomeError
from pitome.runtime.assets import open_assets
from pitome.runtime.bundle import Bundle
from pitome.runtime.choice import AUTO, Chosen, ChosenGraph, Way, Wishes, ways_of
from pitome.runtime.contents import Contents
from pitome.runtime.graph import OpenedGraph
from pitome.runtime.opening import open_way
from pitome.runtime.private_files import PrivateFiles

_LOG = logging.getLogger("pitome.runtime")


def load(
    place: str | os.PathLike[str],
    *,
    device: str = AUTO,
    backend: str = AUTO,
    allow_random: bool = False,
    threads: int | None = None,
    precision: str | None = None,
    native: bool | None = None,
) -> Bundle:
    """A bundle that is ready to run.

        bundle = pitome.load("build/clip-b16")
        vectors = bundle.images(["cat.jpg"])

    Every file is checked against its digest before anything is opened, and what is opened is the very bytes
    that were checked.

    Args:
        place: the bundle's folder.
        device: "cpu", "cuda", or "tensorrt" (onnxruntime's provider of that name); "auto" = the best that
            this machine has.
        backend: "onnxruntime"; "auto" = the best that this machine can run.
        allow_random: take a bundle of random weights, which is right for measuring only.
        threads: of one operator on the CPU; None = as many as this process may use.
        precision: "fp32", "fp16" or "bf16"; None = what suits the device.
        native: True = merges by the bundle's operator library for onnxruntime, or an error; False = without
            it; None = with it where it runs.

    Raises:
        BundleError: there is no bundle, it is damaged or of random weights, or its tokenizer can't be used.
        BackendError: nothing that it holds runs here; with the reason of each.
        InputError: no such device, backend or precision, or the bundle has nothing of it.
    """
    wishes = Wishes(device, backend, precision, native)
    threads = _threads(threads)
    folder = Path(place)
    manifest = read_manifest(folder)
    _check_weights(folder, manifest, allow_random)
    return Bundle(_opened(folder, manifest, wishes, threads))


def _threads(asked: int | None) -> int:
    if asked is None:
        return len(os.sched_getaffinity(0))
    if type(asked) is not int or asked < 1:
        raise InputError(f"threads={asked}", "it is no number from 1 up", "Give such as threads=2")
    return asked


def _check_weights(folder: Path, manifest: Manifest, allow_random: bool) -> None:
    if manifest.model.weights.random and not allow_random:
        raise BundleError(
            f"bundle {folder}",
            "its weights are random: what it computes means nothing",
            "Build it with the weights of a checkpoint (WEIGHTS=), or measure with allow_random=True",
        )


def _opened(folder: Path, manifest: Manifest, wishes: Wishes, threads: int) -> Contents:
    name = f"the bundle {folder}"
    ways = {graph.name: ways_of(graph, manifest, folder, wishes) for graph in manifest.graphs}
    for graph in manifest.graphs:
        _check_some_way(name, graph, ways[graph.name])
    first = [next(way for way in each if way.why_not is None).record.file for each in ways.values()]
    files = PrivateFiles(folder, manifest, {*first, *(asset.file for asset in manifest.assets)})
    try:
        assets = open_assets(name, manifest, files)
        opened, chosen, reasons = {}, [], []
        for graph in manifest.graphs:
            found, told, against = _open_graph(name, graph, ways[graph.name], files, threads)
            opened[graph.name] = found
            chosen.append(told)
            reasons += against
        return Contents(
            name=name,
            manifest=manifest,
            chosen=Chosen(tuple(chosen), tuple(dict.fromkeys(reasons))),
            verification=files.verification,
            graphs=opened,
            texts=assets.texts,
            labels=assets.labels,
            answers=assets.answers,
        )
    finally:
        files.close()


def _check_some_way(name: str, graph: GraphRecord, ways: list[Way]) -> None:
    if all(way.why_not is not None for way in ways):
        raise _nothing_runs(name, graph, [(way, way.why_not) for way in ways if way.why_not is not None])


def _open_graph(
    name: str, graph: GraphRecord, ways: list[Way], files: PrivateFiles, threads: int
) -> tuple[OpenedGraph, ChosenGraph, list[str]]:
    """The best way that opens, what is told of it, and what spoke against better ones."""
    failed: list[tuple[Way, PitomeError]] = []
    for way in ways:
        if way.why_not is not None:
            failed.append((way, way.why_not))
            continue
        try:
            found, told = open_way(name, graph, way, files, threads)
        except (BackendError, InputError) as error:
            failed.append((way, error))
            _LOG.warning("%s: %s can't be opened, the next best is tried: %s", name, way, error)
            continue
        reasons = [f"{way}: {error.found}" for way, error in failed]
        _LOG.info("%s runs by %s", name, told)
        return found, told, reasons
    raise _nothing_runs(name, graph, failed)


def _nothing_runs(name: str, graph: GraphRecord, failed: list[tuple[Way, PitomeError]]) -> PitomeError:
    if len(failed) == 1:
        way, error = failed[0]
        return type(error)(f"{name} with {way}", error.found, error.remedy, error.lines)
    lines = [f"- {way}: {error.found}. {error.remedy}" for way, error in failed]
    return BackendError(
        f"running the graph {graph.name} of {name}",
        "nothing that it holds runs here",
        "Do what one of these lines says, or leave device, backend and precision out",
        lines,
    )
