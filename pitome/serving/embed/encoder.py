"""A bundle as what makes embeddings of prepared inputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pitome.bundle import ImagePreprocess, Manifest, file_sha256, read_manifest
from pitome.bundle.record import MANIFEST_NAME
from pitome.errors import InputError
from pitome.models.task import Modality
from pitome.runtime.loading import load
from pitome.serving.embed.computing import How, ShardComputer
from pitome.serving.embed.image_workers import ImageWorkers
from pitome.serving.embed.options import EmbedOptions
from pitome.serving.embed.prepared import Preparer
from pitome.serving.embed.shards import ShardFacts
from pitome.serving.embed.tables import DEFAULT_COLUMN
from pitome.serving.embed.text_thread import TextThread
from pitome.serving.embed.work_list import WorkList

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pitome.runtime.protocol import Array

_PROBE = "a"


@dataclass(frozen=True)
class EncoderFacts:
    """What is known of a bundle that was opened."""

    model: str
    bundle_sha256: str
    modality: Modality
    dimension: int
    limit: int
    """Tokens of the longest text; 0 for images."""
    runs: str
    """What computes it: a file of the bundle, and by what."""


class Encoder:
    """A bundle that is opened in this process, for images or for texts.

    Args:
        folder: of the bundle.
        options: what it is to run on.

    Raises:
        BundleError, BackendError, InputError: as `pitome.load`; or there is no such prompt.
    """

    def __init__(self, folder: Path, options: EmbedOptions) -> None:
        sha256 = file_sha256(folder / MANIFEST_NAME)
        self._bundle = load(
            folder,
            device=options.device,
            backend=options.backend,
            precision=options.precision,
            allow_random=options.allow_random,
            threads=options.threads,
        )
        self._options = options
        manifest = self._bundle.manifest
        self._modality = chosen_modality(manifest, options)
        graph = manifest.image_graph if self._modality == "image" else manifest.text_graph
        assert graph is not None  # chosen_modality
        self._graph = graph
        self.limit = (self._bundle.text_limit or 0) if self._modality == "text" else 0
        runs = next(str(each) for each in self._bundle.chosen.graphs if each.name == graph.name)
        self.facts = EncoderFacts(
            manifest.model.name, sha256, self._modality, self._dimension(manifest), self.limit, runs
        )

    def run(self, arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """[n, D]."""
        return self._bundle.embed_prepared(arrays)

    def tokens(self, texts: list[str]) -> tuple[dict[str, Array], list[int]]:
        """Input name -> [n, L], cut where texts are longer, and how many tokens each text has.

        Raises:
            InputError: a text that no token is made of, or no such prompt.
        """
        found = self._bundle.prepare_texts(texts, self._options.prompt, truncate=True)
        return found.arrays, found.lengths.tolist()

    def close(self) -> None:
        """Free the model."""
        self._bundle.close()

    def _dimension(self, manifest: Manifest) -> int:
        """Of an embedding, by one that is made; the first run of a graph takes longer, too."""
        preprocess = manifest.model.preprocess
        if self._modality == "text":
            return int(self.run(self.tokens([_PROBE])[0]).shape[1])
        assert isinstance(preprocess, ImagePreprocess)
        pixels = np.zeros((1, preprocess.channels, preprocess.height, preprocess.width), np.float32)
        return int(self.run({self._graph.inputs[0].name: pixels}).shape[1])


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def chosen_modality(manifest: Manifest, options: EmbedOptions) -> Modality:
    """What is embedded: what was asked for, else images where the bundle takes both.

    Raises:
        InputError: the bundle does not take it.
    """
    graphs = {"image": manifest.image_graph, "text": manifest.text_graph}
    taken = [kind for kind, graph in graphs.items() if graph is not None]
    if options.modality is None:
        return "image" if "image" in taken else "text"
    if options.modality not in taken:
        raise InputError(
            f"--modality {options.modality} with {manifest.model.name}",
            f"its bundle takes {' and '.join(taken)}s",
            "Leave --modality out, or give another bundle",
        )
    return options.modality


class LocalWorker:
    """Computes shards in this process; arguments and errors as of `Encoder`."""

    def __init__(self, bundle: Path, options: EmbedOptions) -> None:
        self._options = options
        with ExitStack() as opened:
            # Processes start while the model is loaded: each takes half a second of a core.
            images = _image_workers(read_manifest(bundle), options)
            if images is not None:
                opened.callback(images.close)
            self._encoder = Encoder(bundle, options)
            opened.callback(self._encoder.close)
            self._preparer: Preparer = images or TextThread(self._encoder, options.truncate)
            if images is None:
                opened.callback(self._preparer.close)
            self._opened = opened.pop_all()

    def facts(self) -> EncoderFacts:
        """What the model is."""
        return self._encoder.facts

    def compute(
        self, work: WorkList, numbers: Sequence[int], done: Callable[[int], None]
    ) -> Iterator[ShardFacts]:
        """Compute shards and publish each."""
        facts = self._encoder.facts
        how = How(
            self._options.out,
            self._options.batch_size,
            self._options.dtype,
            facts.dimension,
            facts.limit,
            facts.bundle_sha256,
        )
        yield from ShardComputer(how, self._preparer, self._encoder.run).compute(work, numbers, done)

    def close(self) -> None:
        """End what works ahead, and free the model."""
        self._opened.close()


def _image_workers(manifest: Manifest, options: EmbedOptions) -> ImageWorkers | None:
    """The processes that decode images; None where texts are embedded."""
    preprocess = manifest.model.preprocess
    if chosen_modality(manifest, options) == "text":
        return None
    graph = manifest.image_graph
    assert graph is not None  # chosen_modality
    assert isinstance(preprocess, ImagePreprocess)
    column = options.column or DEFAULT_COLUMN["image"]
    return ImageWorkers(preprocess, graph.inputs[0].name, options.workers or cores(), column)
