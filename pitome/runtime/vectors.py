"""Images, texts and arrays to vectors, by the graphs of a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pitome.bundle.graph_records import GraphRecord
from pitome.bundle.preprocess_record import ImagePreprocess
from pitome.errors import InputError
from pitome.images.for_bundle import prepared_image
from pitome.images.transform import stack
from pitome.runtime.contents import Contents
from pitome.runtime.graph import OpenedGraph
from pitome.runtime.protocol import Array
from pitome.runtime.texts import TextPreparation
from pitome.text_inputs import ATTENTION_MASK, INPUT_IDS

if TYPE_CHECKING:
    from pitome.images.decoding import ImageSource
    from pitome.models.tokenizer import Text


class Vectors:
    """The graphs of a bundle, with what prepares their inputs.

    Args:
        contents: of the bundle.
        graphs: by name; nobody else keeps them.
    """

    def __init__(self, contents: Contents, graphs: Mapping[str, OpenedGraph]) -> None:
        self._contents, self.graphs = contents, dict(graphs)

    def image_graph(self, what: str) -> OpenedGraph:
        """The graph that takes images.

        Args:
            what: is wanted of it, as an error says it.

        Raises:
            InputError: there is none; with what there is.
        """
        return self._opened(self._contents.manifest.image_graph, f"{what}, which needs a graph for images")

    def text_graph(self, what: str) -> OpenedGraph:
        """The graph that takes texts; as `image_graph`."""
        return self._opened(self._contents.manifest.text_graph, f"{what}, which needs a graph for texts")

    def graph_of(self, arrays: Mapping[str, Array], name: str | None) -> OpenedGraph:
        """The graph of that name, else the one that takes arrays of these names.

        Raises:
            InputError: there is none.
        """
        if not isinstance(arrays, Mapping):
            raise InputError(
                f"run of {self._contents.name}",
                f"it was given {type(arrays).__name__}, and takes arrays by the names of its inputs",
                f"Give such as {{{next(iter(self.graphs.values())).record.inputs[0].name!r}: array}}",
            )
        if name is not None:
            if not isinstance(name, str) or name not in self.graphs:
                raise InputError(
                    f"graph={name} of {self._contents.name}",
                    f"its graphs are {', '.join(self.graphs)}",
                    "Choose one of them",
                )
            return self.graphs[name]
        opened = list(self.graphs.values())
        fitting = [graph for graph in opened if {each.name for each in graph.record.inputs} & set(arrays)]
        if len(fitting) == 1 or len(opened) == 1:
            return (fitting or opened)[0]
        raise InputError(
            f"run of {self._contents.name}",
            f"the inputs {', '.join(map(str, arrays)) or '(none)'} belong to {len(fitting)} of its graphs; "
            f"it has {self._available()}",
            "Give the inputs of one graph, or its name as graph=",
        )

    def preparation(self, what: str) -> TextPreparation:
        """What makes arrays of texts.

        Raises:
            InputError: the bundle takes no texts, or has no tokenizer.
        """
        self.text_graph(what)
        if self._contents.texts is None:
            raise InputError(
                f"{what} of {self._contents.name}",
                "it has no tokenizer: its model takes texts as token ids",
                "Encode them by the tokenizer that belongs to the model, and use run(input_ids=..., "
                "attention_mask=...) as a dictionary; or build the bundle from a checkpoint with a tokenizer",
            )
        return self._contents.texts

    def of_images(self, images: Sequence[ImageSource], batch_size: int | None, what: str = "images") -> Array:
        """A vector for each image, float32 [n, D]; prepared batch by batch."""
        graph = self.image_graph(what)
        parts = []
        for piece in graph.batches.pieces(len(images), self._batch(graph, batch_size)):
            pixels = self.pixels(images[piece], piece.start, what)
            parts.append(self._vector(graph, {graph.record.inputs[0].name: pixels}))
        return np.concatenate(parts)

    def pixels(self, images: Sequence[ImageSource], first: int, what: str) -> Array:
        """Images as the model takes them, float32 [n, C, H, W]; ``first``: how many were before them."""
        self.image_graph(what)
        wanted = self._contents.manifest.model.preprocess
        assert isinstance(wanted, ImagePreprocess)  # image_graph
        return stack(
            [
                prepared_image(each, wanted, f", number {place}")
                for place, each in enumerate(images, first + 1)
            ]
        )

    def of_texts(
        self,
        texts: Sequence[Text],
        prompt: str | None,
        truncate: bool,
        batch_size: int | None,
        what: str = "texts",
    ) -> Array:
        """A vector for each text, float32 [n, D]; texts of like length run together."""
        graph = self.text_graph(what)
        prepared = self.preparation(what).prepare(texts, prompt, truncate)
        lengths = np.minimum(prepared.lengths, prepared.limit)
        order = np.argsort(lengths, kind="stable")
        shape = next(each.shape for each in graph.record.inputs if each.name == INPUT_IDS)
        found: Array | None = None
        for piece in graph.batches.pieces(len(texts), self._batch(graph, batch_size)):
            places = order[piece]
            # Of a graph for texts of any length no batch is longer than its longest text.
            longest = None if isinstance(shape[-1], int) else int(lengths[places].max())
            rows = {name: values[:, :longest] for name, values in prepared.rows(places).items()}
            part = self._vector(graph, rows)
            if found is None:
                found = np.empty((len(texts), part.shape[1]), part.dtype)
            found[places] = part
        assert found is not None  # there is a text
        return found

    def of_arrays(self, arrays: Mapping[str, Array]) -> Array:
        """A vector for each row of prepared arrays, float32 [n, D]."""
        return self._vector(self.graph_of(arrays, None), arrays)

    def close(self) -> None:
        """Forget the graphs, whose memory is free then."""
        for graph in self.graphs.values():
            graph.close()
        self.graphs.clear()

    def _opened(self, record: GraphRecord | None, what: str) -> OpenedGraph:
        if record is None:
            raise InputError(
                f"{what}, of {self._contents.name}",
                f"it has {self._available()}",
                "Use what it has, or another bundle",
            )
        return self.graphs[record.name]

    def _available(self) -> str:
        manifest = self._contents.manifest
        kinds = {
            graph.name: kind
            for graph, kind in ((manifest.image_graph, "images"), (manifest.text_graph, "texts"))
            if graph is not None
        }
        told = [
            f"the graph {record.name}"
            + (f" for {kinds[record.name]}" if record.name in kinds else "")
            + f", which gives {' and '.join(output.name for output in record.outputs)}"
            for record in manifest.graphs
        ]
        return f"{'; '.join(told)} (task {manifest.model.task})"

    def _batch(self, graph: OpenedGraph, asked: int | None) -> int:
        if asked is not None and (type(asked) is not int or asked < 1):
            raise InputError(f"batch_size={asked}", "it is no number from 1 up", "Give such as batch_size=8")
        return graph.batches.size(asked)

    def _vector(self, graph: OpenedGraph, arrays: Mapping[str, Array]) -> Array:
        name = graph.vector
        if name is None:
            raise InputError(
                f"a vector of each input, of {self._contents.name}",
                f"it has {self._available()}, which is no vector",
                "Use run, which gives every output",
            )
        found = graph.run(arrays)[name]
        if found.ndim == 3:
            found = self._pooled(found, arrays.get(ATTENTION_MASK))
        result: Array = found.astype(np.float32, copy=False)
        return result

    def _pooled(self, tokens: Array, mask: Array | None) -> Array:
        """Tokens [n, N, D] as the manifest's pooling says.

        Where it says nothing: of images the class token, which stands first, and of texts the mean of their
        tokens, as sentence-transformers takes it of a checkpoint without modules of its own.
        """
        how = self._contents.manifest.model.pooling or ("cls" if mask is None else "mean")
        result: Array
        if how == "cls":
            result = tokens[:, 0]
            return result
        if how == "mean":
            weights = np.ones(tokens.shape[:2], np.float32) if mask is None else np.asarray(mask, np.float32)
            wide = tokens.astype(np.float32, copy=False)
            result = (wide * weights[:, :, None]).sum(axis=1) / weights.sum(axis=1)[:, None]
            return result
        raise InputError(
            f"a vector of each input, of {self._contents.name}",
            f"its tokens are to be pooled by {how}, which is not done here",
            "Use run, which gives the tokens",
        )
