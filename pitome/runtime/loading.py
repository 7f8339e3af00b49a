"""``pitome.load``: a bundle, checked and opened. Imports neither torch nor transformers."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pitome.arguments import as_path, check_flag
from pitome.bundle.graph_records import GraphRecord
from pitome.bundle.manifest import Manifest
from pitome.bundle.record import MANIFEST_NAME
from pitome.bundle.verification import read_manifest
from pitome.errors import BackendError, BundleError, InputError, PitomeError
from pitome.extras import naming_extras
from pitome.runtime.assets import open_assets
from pitome.runtime.backends import AUTO
from pitome.runtime.bundle import Bundle
from pitome.runtime.choice import Chosen, ChosenGraph, Way, Wishes, wants_plans, ways_of
from pitome.runtime.contents import Contents
from pitome.runtime.graph import OpenedGraph
from pitome.runtime.opening import Opener
from pitome.runtime.place import bundle_folder
from pitome.runtime.plans import Machine, this_machine
from pitome.runtime.private_files import PrivateFiles

_LOG = logging.getLogger("pitome.runtime")
_MOST_THREADS = 1024
"""onnxruntime starts as many as it is told, and ends the process where the system refuses one."""


def load(
    place: str | os.PathLike[str],
    *,
    device: str = AUTO,
    backend: str = AUTO,
    allow_random: bool = False,
    require_signature: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    precision: str | None = None,
    native: bool | None = None,
    cuda_graphs: bool = False,
    offline: bool | None = None,
) -> Bundle:
    """A bundle that is ready to run.

        bundle = pitome.load("build/clip-b16")
        vectors = bundle.images(["cat.jpg"])

    Every file is checked against its digest before anything is opened, and what is opened is the very bytes
    that were checked.

    Args:
        place: the bundle's folder; or ``org/name`` or ``org/name@revision`` of the Hugging Face hub.
        device: "cpu", "cuda", or "tensorrt" (onnxruntime's provider of that name); "auto" = the best that
            this machine has.
        backend: "onnxruntime", "tensorrt" or "tensorrt_rtx" (plans); "auto" = the best that this machine can
            run, which `Bundle.chosen` says, with the reasons why nothing better does.
        allow_random: take a bundle of random weights, which is right for measuring only.
        require_signature: a file with a public key: the bundle must be signed with the private one.
        threads: of one operator on the CPU; None = as many as this process may use.
        precision: "fp32", "fp16" or "bf16"; None = what suits the device.
        native: True = merges by the bundle's operator library for onnxruntime, or an error; False = without
            it; None = with it where it runs.
        cuda_graphs: replay plans from CUDA graphs: less time between kernels, more for a batch's first run.
        offline: ask no hub, take what its cache has; None = as HF_HUB_OFFLINE says.

    Raises:
        BundleError: there is no bundle, it is damaged, of random weights or not signed as it must be
            (SignatureError), or its tokenizer can't be used.
        BackendError: nothing that it holds runs here; with the reason of each.
        InputError: no such device, backend or precision, or the bundle has nothing of it; or the hub has no
            such bundle.
    """
    check_flag("allow_random", allow_random)
    check_flag("cuda_graphs", cuda_graphs)
    for name, choice in (("native", native), ("offline", offline)):
        if choice is not None:
            check_flag(name, choice)
    wishes, number = Wishes(device, backend, precision, native), _threads(threads)
    loading = _Loading(bundle_folder(place, offline), wishes, number, cuda_graphs)
    signed = (
        None
        if require_signature is None
        else _signed(loading.folder, as_path(require_signature, "the public key"))
    )
    manifest = read_manifest(loading.folder, signed)
    _check_weights(loading.folder, manifest, allow_random)
    return loading.bundle(manifest)


def _threads(asked: int | None) -> int:
    if asked is None:
        return len(os.sched_getaffinity(0))
    if type(asked) is not int or not 1 <= asked <= _MOST_THREADS:
        found = f"it is no number from 1 to {_MOST_THREADS}"
        raise InputError(f"threads={asked}"[:200], found, "Give such as threads=2")
    return asked


def _signed(folder: Path, public_key_file: Path) -> str:
    """The digest of the manifest that the key's owner signed."""
    with naming_extras(f"load {folder} with require_signature"):
        from pitome.bundle.signing import verify_signature

        return verify_signature(folder, public_key_file).files[MANIFEST_NAME]


def _check_weights(folder: Path, manifest: Manifest, allow_random: bool) -> None:
    if manifest.model.weights.random and not allow_random:
        raise BundleError(
            f"bundle {folder}",
            "its weights are random: what it computes means nothing",
            "Build it with the weights of a checkpoint (WEIGHTS=), or measure with allow_random=True",
        )


@dataclass(frozen=True)
class _Loading:
    """How a bundle is to be opened."""

    folder: Path
    wishes: Wishes
    threads: int
    cuda_graphs: bool

    @property
    def name(self) -> str:
        return f"the bundle {self.folder}"

    def bundle(self, manifest: Manifest) -> Bundle:
        """Everything that can be known is checked before anything is opened."""
        machine = this_machine() if wants_plans(manifest, self.wishes) else Machine()
        ways = {
            graph.name: ways_of(graph, manifest, self.folder, self.wishes, machine)
            for graph in manifest.graphs
        }
        for graph in manifest.graphs:
            if all(way.why_not is not None for way in ways[graph.name]):
                against = [(way, way.why_not) for way in ways[graph.name] if way.why_not is not None]
                raise self._nothing_runs(graph, against)
        best = [next(way for way in each if way.why_not is None).record.file for each in ways.values()]
        files = PrivateFiles(self.folder, manifest, {*best, *(asset.file for asset in manifest.assets)})
        try:
            return self._opened(manifest, files, machine, ways)
        finally:
            files.close()

    def _opened(
        self, manifest: Manifest, files: PrivateFiles, machine: Machine, ways: Mapping[str, list[Way]]
    ) -> Bundle:
        assets = open_assets(self.name, manifest, files)
        opener = Opener(self.name, self.folder, files, machine, self.threads, self.cuda_graphs)
        found = {graph.name: self._open_graph(graph, ways[graph.name], opener) for graph in manifest.graphs}
        reasons = dict.fromkeys(reason for _, _, against in found.values() for reason in against)
        contents = Contents(
            name=self.name,
            manifest=manifest,
            chosen=Chosen(tuple(told for _, told, _ in found.values()), tuple(reasons)),
            verification=files.verification,
            texts=assets.texts,
            labels=assets.labels,
            answers=assets.answers,
        )
        return Bundle(contents, {name: opened for name, (opened, _, _) in found.items()})

    def _open_graph(
        self, graph: GraphRecord, ways: list[Way], opener: Opener
    ) -> tuple[OpenedGraph, ChosenGraph, list[str]]:
        """The best way that opens, what is told of it, and what spoke against better ones."""
        failed: list[tuple[Way, PitomeError]] = []
        for way in ways:
            if way.why_not is not None:
                failed.append((way, way.why_not))
                continue
            opener.fetch(way)  # a file that was changed meanwhile is no reason to take another one
            try:
                opened, told = opener.open(graph, way)
            except PitomeError as error:
                failed.append((way, error))
                continue
            self._say(told, failed)
            return opened, told, [f"{other}: {error.found}" for other, error in failed]
        raise self._nothing_runs(graph, failed)

    def _say(self, told: ChosenGraph, failed: list[tuple[Way, PitomeError]]) -> None:
        """What runs; loudly where the bundle has something faster, or this machine a GPU."""
        missed = [f"{way} ({error.found})" for way, error in failed if way.is_missed or way.why_not is None]
        if missed:
            _LOG.warning("%s runs by %s, and not by %s", self.name, told, "; ".join(missed))
        else:
            _LOG.info("%s runs by %s", self.name, told)

    def _nothing_runs(self, graph: GraphRecord, failed: list[tuple[Way, PitomeError]]) -> PitomeError:
        if len(failed) == 1:
            way, error = failed[0]
            return type(error)(f"{self.name} with {way}", error.found, error.remedy, error.lines)
        return BackendError(
            f"running the graph {graph.name} of {self.name} with {self.wishes.asked}",
            "nothing that it holds runs here",
            "Do what one of these lines says, or leave device, backend and precision out",
            [f"- {way}: {error.found}. {error.remedy}" for way, error in failed],
        )
