"""A bundle as what makes embeddings of prepared inputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pitome.bundle import ImagePreprocess, Manifest, file_sha256, verify_bundle
from pitome.bundle.record import MANIFEST_NAME
from pitome.errors import BundleError, InputError
from pitome.models.task import Modality
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
    """A bundle that is opened once, in this process."""

    def __init__(self, bundle: Path, options: EmbedOptions) -> None:
        from tokenizers import Tokenizer

        from pitome.runtime.devices import installed_device
        from pitome.runtime.onnxruntime import OnnxRuntime

        self.manifest: Manifest = verify_bundle(bundle)
        self.sha256 = file_sha256(bundle / MANIFEST_NAME)
        if self.manifest.model.weights.random and not options.allow_random:
            raise BundleError(str(bundle), "its weights are random", "Give --allow-random")
        self._options = options
        record = self.manifest.graphs[0]
        onnx = next(each for each in record.onnx if each.precision == "fp32" and not each.inlined)
        self._runtime = OnnxRuntime(
            bundle / onnx.file, threads=options.threads or cores(), device=installed_device(options.device)
        )
        names = [output.name for output in record.outputs if len(output.shape) == 2]
        order = ("sentence_embedding", "image_embeds", "text_embeds", "pooler_output")
        self._output = next((name for name in order if name in names), names[0])
        dimension = int(next(output.shape[1] for output in record.outputs if output.name == self._output))
        self.input_name = record.inputs[0].name
        preprocess = self.manifest.model.preprocess
        self.limit = 0 if preprocess.kind == "image" else preprocess.sequence_length
        self.facts = EncoderFacts(
            self.manifest.model.name,
            self.sha256,
            preprocess.kind,
            dimension,
            self.limit,
            f"{onnx.file} by {self._runtime.name}",
        )
        if preprocess.kind == "text":
            self._tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
            self._tokenizer.no_padding()
            self._tokenizer.no_truncation()
            self._types = any(each.name == "token_type_ids" for each in record.inputs)

    def run(self, arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """[n, D]."""
        return self._runtime.run(arrays).outputs[self._output]

    def tokens(self, texts: list[str]) -> tuple[dict[str, Array], list[int]]:
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.zeros((len(texts), self.limit), np.int64)
        mask = np.zeros_like(ids)
        for row, each in enumerate(encoded):
            length = min(len(each.ids), self.limit)
            ids[row, :length] = each.ids[:length]
            if length < len(each.ids):
                ids[row, length - 1] = each.ids[-1]
            mask[row, :length] = 1
        return {"input_ids": ids, "attention_mask": mask}, [len(each.ids) for each in encoded]

    def preparer(self, workers: int) -> Preparer:
        """What prepares its inputs."""
        preprocess = self.manifest.model.preprocess
        if isinstance(preprocess, ImagePreprocess):
            column = self._options.column or DEFAULT_COLUMN["image"]
            return ImageWorkers(preprocess, self.input_name, workers, column)
        return TextThread(self, self._options.truncate)


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def chosen_modality(manifest: Manifest, options: EmbedOptions) -> Modality:
    """What is embedded.

    Raises:
        InputError: the bundle does not take it.
    """
    kind = manifest.model.preprocess.kind
    if options.modality not in (None, kind):
        raise InputError(
            f"embed {options.modality}s with {manifest.model.name}",
            f"its bundle takes {kind}s",
            "Leave --modality out",
        )
    return kind


class LocalWorker:
    """Computes shards in this process."""

    def __init__(self, bundle: Path, options: EmbedOptions) -> None:
        self._encoder = Encoder(bundle, options)
        self._options = options
        self._preparer: Preparer | None = None

    def facts(self) -> EncoderFacts:
        """What the model is."""
        return self._encoder.facts

    def compute(
        self, work: WorkList, numbers: Sequence[int], done: Callable[[int], None]
    ) -> Iterator[ShardFacts]:
        """Compute shards and publish each."""
        if self._preparer is None:
            self._preparer = self._encoder.preparer(self._options.workers or cores())
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
        """End what works ahead."""
        if self._preparer is not None:
            self._preparer.close()
