"""A bundle that is ready to run: what `pitome.load` returns. Imports neither torch nor transformers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from pitome.arguments import check_flag
from pitome.bundle.manifest import Manifest
from pitome.errors import InputError
from pitome.runtime.answers import Prediction, unit_vectors
from pitome.runtime.asynchronous import AsyncBundle
from pitome.runtime.choice import Chosen
from pitome.runtime.classifying import Classifier
from pitome.runtime.contents import Contents
from pitome.runtime.graph import OpenedGraph
from pitome.runtime.private_files import Verification
from pitome.runtime.protocol import Array
from pitome.runtime.several import as_images, as_texts
from pitome.runtime.texts import PreparedTexts
from pitome.runtime.usage import Usage
from pitome.runtime.vectors import Vectors

if TYPE_CHECKING:
    from pitome.images.decoding import ImageSource
    from pitome.models.tokenizer import Text


class Bundle:
    """A model that takes images, texts or arrays. Threads may share it.

        with pitome.load("build/clip-b16") as bundle:
            vectors = bundle.images(["cat.jpg", "dog.jpg"])

    Inputs are prepared as the checkpoint's own processor and tokenizer do. Every method raises InputError
    for inputs that can't be used, and where the bundle has no graph for what is asked.
    """

    def __init__(self, contents: Contents, graphs: Mapping[str, OpenedGraph]) -> None:
        self._contents, self._usage = contents, Usage(contents.name)
        self._vectors = Vectors(contents, graphs)
        self._classifier = Classifier(contents, self._vectors)

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self._contents.manifest

    @property
    def chosen(self) -> Chosen:
        """What runs it, and why nothing better does."""
        return self._contents.chosen

    @property
    def verification(self) -> Verification:
        """How many files were checked, and how long that took."""
        return self._contents.verification

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of a classifier's outputs; empty where there are none."""
        return self._contents.labels

    @property
    def prompts(self) -> dict[str, str]:
        """The checkpoint's prompts for texts, by name."""
        texts = self._contents.texts
        return {} if texts is None else dict(texts.prompts.texts)

    @property
    def text_limit(self) -> int | None:
        """Tokens of the longest text; None where it takes no texts."""
        return self._contents.text_limit

    @cached_property
    def asynchronous(self) -> AsyncBundle:
        """The same methods as coroutines."""
        return AsyncBundle(self)

    def run(self, arrays: Mapping[str, Array], graph: str | None = None) -> dict[str, Array]:
        """Run a graph on arrays that were prepared already.

        Args:
            arrays: input name -> [n, ...], any number of rows.
            graph: name of the graph; None = the one that has these inputs.

        Returns:
            Output name -> [n, ...].

        Raises:
            InputError: no such graph or input, or an array of another type or shape.
            BackendError: the runtime refused.
        """
        with self._usage():
            return self._vectors.graph_of(arrays, graph).run(arrays)

    def images(self, images: ImageSource | Iterable[ImageSource], batch_size: int | None = None) -> Array:
        """A vector for each image, float32 [n, D].

        Args:
            images: files, bytes, PIL images, arrays [H, W] or [H, W, 1 to 4], or an array [n, H, W, C].
            batch_size: images that are prepared and run together; None = as many as suit the runtime.

        Returns:
            The model's embedding; of a classifier its logits; of a model that only gives tokens the class
            one.
        """
        with self._usage():
            return self._vectors.of_images(as_images(images), batch_size)

    def texts(
        self,
        texts: Text | Iterable[Text],
        prompt: str | None = None,
        truncate: bool = False,
        batch_size: int | None = None,
    ) -> Array:
        """A vector for each text, float32 [n, D], in the order of the texts.

        Args:
            texts: texts, or pairs of texts as tuples.
            prompt: name of one of the checkpoint's prompts (`prompts`), put in front of every text; None =
                its default one, if it has any; "" = none.
            truncate: cut texts that are too long at their end; False = refuse them.
            batch_size: texts that are run together; None = as many as suit the runtime.

        Returns:
            The model's embedding; of a classifier its logits; of a model that only gives tokens their mean.

        Raises:
            InputError: a text is too long (with its length and the limit), or there is no such prompt.
        """
        with self._usage():
            return self._vectors.of_texts(as_texts(texts), prompt, truncate, batch_size)

    def classify(
        self,
        inputs: ImageSource | Text | Iterable[ImageSource | Text],
        labels: Sequence[str] | None = None,
        template: str = "a photo of {}",
        top: int = 5,
        truncate: bool = False,
    ) -> list[list[Prediction]]:
        """The best labels for each image or text, the best one first.

        Args:
            inputs: images or texts, whichever the bundle's model takes.
            labels: None = those of a classifier. A model of images and texts chooses among these.
            template: of the text that is made of a label.
            top: labels for each input at most.
            truncate: as of `texts`.

        Returns:
            For each input (label, score): probabilities that sum to 1 over all labels; where several may
            hold, one of each by itself; of a model that gives numbers the numbers.
        """
        with self._usage():
            return self._classifier.classify(inputs, labels, template, top, truncate)

    def similarity(
        self,
        images: ImageSource | Iterable[ImageSource] | None = None,
        texts: Text | Iterable[Text] | None = None,
        truncate: bool = False,
    ) -> Array:
        """Cosines of vectors, float32: images with texts [n, m]; images, or texts, with each other [n, n].

        Args:
            images: as of `images`.
            texts: as of `texts`.
            truncate: as of `texts`.
        """
        check_flag("truncate", truncate)
        if images is None and texts is None:
            raise InputError("similarity", "neither images nor texts are given", "Give at least one of them")
        with self._usage():
            if images is not None:
                self._vectors.image_graph("similarity of images")
            if texts is not None:
                self._vectors.text_graph("similarity of texts")
            sides = []
            if images is not None:
                found = self._vectors.of_images(as_images(images), None, "similarity of images")
                sides.append(unit_vectors(found))
            if texts is not None:
                found = self._vectors.of_texts(as_texts(texts), None, truncate, None, "similarity of texts")
                sides.append(unit_vectors(found))
            cosines: Array = np.clip(sides[0] @ sides[-1].T, -1, 1).astype(np.float32)
            return cosines

    def prepare_images(self, images: ImageSource | Iterable[ImageSource]) -> Array:
        """Images as the model takes them, float32 [n, C, H, W]."""
        with self._usage():
            return self._vectors.pixels(as_images(images), 0, "prepare_images")

    def prepare_texts(
        self, texts: Text | Iterable[Text], prompt: str | None = None, truncate: bool = False
    ) -> PreparedTexts:
        """Texts as the model takes them, with their lengths; arguments and errors as of `texts`."""
        with self._usage():
            preparation = self._vectors.preparation("prepare_texts")
            return preparation.prepare(as_texts(texts), prompt, truncate)

    def embed_prepared(self, arrays: Array | Mapping[str, Array]) -> Array:
        """A vector for each row, float32 [n, D].

        Args:
            arrays: of `prepare_images`, or the arrays of `prepare_texts`; they are run as one batch, unless
                the runtime takes fewer rows.
        """
        with self._usage():
            if not isinstance(arrays, Mapping):
                graph = self._vectors.image_graph("embed_prepared of an array")
                arrays = {graph.record.inputs[0].name: arrays}
            return self._vectors.of_arrays(arrays)

    def warm_up(self) -> float:
        """Run each graph once with its smallest and its usual batch; the seconds that it took."""
        started = time.perf_counter()
        with self._usage():
            for graph in self._vectors.graphs.values():
                for rows in sorted({graph.batches.smallest, graph.batches.usual}):
                    graph.run(graph.sample(rows))
        return time.perf_counter() - started

    def close(self) -> None:
        """Free the model, once the calls that are running have ended. A second time does nothing."""
        if self._usage.close():
            self._vectors.close()
            self._classifier.close()
            if "asynchronous" in self.__dict__:
                self.asynchronous.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<pitome bundle {self.manifest.model.name} ({self.chosen.file} by {self.chosen.backend})>"
