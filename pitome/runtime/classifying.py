"""Labels for images and texts: by a classifier's own outputs, or by the texts that are made of labels."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

from pitome.arguments import check_flag
from pitome.errors import InputError
from pitome.models.answers import AnswerKind
from pitome.runtime.answers import Prediction, label_texts, predictions, unit_vectors
from pitome.runtime.contents import Contents
from pitome.runtime.protocol import Array
from pitome.runtime.several import as_images, as_texts
from pitome.runtime.vectors import Vectors

if TYPE_CHECKING:
    from pitome.images.decoding import ImageSource
    from pitome.models.tokenizer import Text

    Inputs = ImageSource | Text | Iterable[ImageSource | Text]

_LOGITS = "logits"
_KEPT = 16
"""Sets of labels whose vectors are kept."""


class Classifier:
    """`Bundle.classify`."""

    def __init__(self, contents: Contents, vectors: Vectors) -> None:
        self._contents, self._vectors = contents, vectors
        self._kept: OrderedDict[tuple[bool, tuple[str, ...]], Array] = OrderedDict()
        self._lock = threading.Lock()

    def classify(
        self, inputs: Inputs, labels: Sequence[str] | None, template: str, top: int, truncate: bool
    ) -> list[list[Prediction]]:
        """As `Bundle.classify`."""
        check_flag("truncate", truncate)
        if type(top) is not int or top < 1:
            raise InputError(f"top={top}", "it is no number from 1 up", "Give such as top=5")
        if self._contents.manifest.model.system is not None:
            return self._by_texts(inputs, labels, template, top, truncate)
        return self._by_logits(inputs, labels, top, truncate)

    def close(self) -> None:
        """Forget the labels."""
        with self._lock:
            self._kept.clear()

    def _by_logits(
        self, inputs: Inputs, labels: Sequence[str] | None, top: int, truncate: bool
    ) -> list[list[Prediction]]:
        manifest = self._contents.manifest
        (graph,) = self._vectors.graphs.values()
        if graph.vector != _LOGITS:
            outputs = ", ".join(output.name for output in graph.record.outputs)
            raise InputError(
                f"classify of {self._contents.name}",
                f"its model is no classifier of whole inputs: its task is {manifest.model.task}, and its "
                f"graph gives {outputs}",
                "Use images, texts or run; labels of one's own need graphs for images and for texts",
            )
        if labels is not None:
            raise InputError(
                f"classify with labels of one's own, of {self._contents.name}",
                "its model is a classifier, whose classes are fixed",
                "Leave labels out, or use a bundle with graphs for images and texts",
            )
        if manifest.image_graph is not None:
            logits = self._vectors.of_images(as_images(cast("ImageSource", inputs)), None, "classify")
        else:
            logits = self._vectors.of_texts(as_texts(cast("Text", inputs)), None, truncate, None, "classify")
        names = self._contents.labels or tuple(map(str, range(logits.shape[1])))
        return predictions(logits, names, self._contents.answers, top)

    def _by_texts(
        self, inputs: Inputs, labels: Sequence[str] | None, template: str, top: int, truncate: bool
    ) -> list[list[Prediction]]:
        model = self._contents.manifest.model
        if labels is None:
            raise InputError(
                f"classify of {self._contents.name}",
                "its model compares images with texts, and no labels are given",
                'Give some, such as labels=["cat", "dog"]',
            )
        texts = self._label_vectors(tuple(label_texts(labels, template)), truncate)
        found = unit_vectors(
            self._vectors.of_images(as_images(cast("ImageSource", inputs)), None, "classify")
        )
        logits = found @ texts.T * (model.logit_scale or 1) + (model.logit_bias or 0)
        # A bias was trained with a sigmoid for each pair of image and text.
        kind: AnswerKind = "classes" if model.logit_bias is None else "labels"
        return predictions(logits, labels, kind, top)

    def _label_vectors(self, texts: tuple[str, ...], truncate: bool) -> Array:
        key = truncate, texts
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = unit_vectors(self._vectors.of_texts(texts, None, truncate, None, "classify"))
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found
