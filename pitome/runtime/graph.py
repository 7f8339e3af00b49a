"""A graph of a bundle, opened: it takes any number of rows, checks them, and runs them in fitting batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from pitome.bundle.graph_records import GraphRecord
from pitome.errors import InputError
from pitome.runtime.protocol import Array, DeclaredInput, Runtime
from pitome.text_inputs import ATTENTION_MASK, INPUT_IDS

USUAL_BATCH = 8
"""Rows of a batch where nothing says another number."""
_ANY_LENGTH = 16
"""Where a graph takes any."""
_NUMPY = {"bfloat16": "float32"}
_VECTORS = ("sentence_embedding", "image_embeds", "text_embeds", "pooler_output", "logits")
"""Outputs that say one thing of a whole input, the most useful first."""


@dataclass(frozen=True)
class Batches:
    """How many rows one run takes."""

    smallest: int = 1
    usual: int = USUAL_BATCH
    largest: int | None = None
    """None: any number."""

    @staticmethod
    def of_inputs(inputs: tuple[DeclaredInput, ...]) -> Batches:
        """Of a graph: any number, unless it was made for one."""
        fixed = inputs[0].shape[0] if inputs and inputs[0].shape else None
        return Batches(fixed, fixed, fixed) if isinstance(fixed, int) else Batches()

    def size(self, asked: int | None) -> int:
        """Rows of a batch, where a user asked for so many; more than the largest are split."""
        wanted = self.usual if asked is None else asked
        return wanted if self.largest is None else min(wanted, self.largest)

    def pieces(self, rows: int, size: int) -> Iterator[slice]:
        """Where each batch begins and ends."""
        for start in range(0, rows, size):
            yield slice(start, min(start + size, rows))


@runtime_checkable
class _Closing(Protocol):
    """A runtime that is closed by a call."""

    def close(self) -> None:
        """Free what it holds."""


@dataclass(frozen=True)
class OpenedGraph:
    """A graph with what runs it. Several threads may run it at once."""

    record: GraphRecord
    runtime: Runtime
    batches: Batches
    asked: str
    """What is done with it, as an error says it."""

    @property
    def vector(self) -> str | None:
        """The output that is the vector of an input, or its tokens [B, N, D]; None: it has neither."""
        ranks = {output.name: len(output.shape) for output in self.record.outputs}
        for name in _VECTORS:
            if ranks.get(name) == 2:
                return name
        flat = [name for name, rank in ranks.items() if rank == 2]
        tokens = [name for name, rank in ranks.items() if rank == 3 and name != "logits"]
        return next(iter((*flat, *tokens)), None)

    def run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, a row for each row of the inputs.

        Raises:
            InputError: an input is missing, unknown, or of another type or shape.
            BackendError: the runtime refused.
        """
        inputs = self._checked(arrays)
        rows = len(next(iter(inputs.values())))
        size = self.batches.largest or rows
        parts = [
            self._run_batch({name: value[piece] for name, value in inputs.items()})
            for piece in self.batches.pieces(rows, size)
        ]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def close(self) -> None:
        """Free what a plan holds on the GPU; a session of onnxruntime ends when it is forgotten."""
        if isinstance(self.runtime, _Closing):
            self.runtime.close()

    def sample(self, rows: int) -> dict[str, Array]:
        """Inputs that it takes: zeros, and of texts tokens without padding."""
        found = {}
        for each in self.record.inputs:
            shape = [size if isinstance(size, int) else _ANY_LENGTH for size in each.shape[1:]]
            value = 1 if each.name in (INPUT_IDS, ATTENTION_MASK) else 0
            found[each.name] = np.full((rows, *shape), value, _NUMPY.get(each.dtype, each.dtype))
        return found

    def _run_batch(self, inputs: dict[str, Array]) -> dict[str, Array]:
        """Fewer rows than the smallest batch are filled up with the last one."""
        rows = len(next(iter(inputs.values())))
        lacking = self.batches.smallest - rows
        if lacking > 0:
            inputs = {
                name: np.concatenate([value, value[-1:].repeat(lacking, axis=0)])
                for name, value in inputs.items()
            }
        found = self.runtime.run(inputs).outputs
        return {name: value[:rows] for name, value in found.items()} if lacking > 0 else dict(found)

    def _checked(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        names = [declared.name for declared in self.record.inputs]
        unknown = [name for name in arrays if name not in names]
        lacking = [each.name for each in self.record.inputs if not each.optional and each.name not in arrays]
        if unknown or lacking:
            found = f"{lacking[0]} is not given" if lacking else f"it has no input {unknown[0]}"
            wanted = [f"{each.name} {_shown(each.shape)} {each.dtype}" for each in self.record.inputs]
            raise InputError(
                self.asked,
                f"{found}; given are {', '.join(map(str, arrays)) or 'none'}",
                f"Give {' and '.join(wanted)}",
            )
        inputs = {name: self._converted(name, arrays[name]) for name in names if name in arrays}
        counts = {len(value) for value in inputs.values()}
        if len(counts) > 1 or 0 in counts:
            rows = ", ".join(f"{len(value)} of {name}" for name, value in inputs.items())
            raise InputError(
                self.asked, f"there are {rows}", "Give every input the same number of rows, at least one"
            )
        return inputs

    def _converted(self, name: str, given: object) -> Array:
        record = next(each for each in self.record.inputs if each.name == name)
        declared = next((each for each in self.runtime.inputs if each.name == name), None)
        dtype = declared.dtype if declared is not None else record.dtype
        try:
            values = np.asarray(given)
        except ValueError as error:  # rows of several lengths
            raise InputError(
                self.asked, f"its input {name} is no array ({error})", "Give an array"
            ) from error
        floats = dtype.startswith(("float", "bfloat"))
        if values.dtype.kind not in ("f" if floats else "iub"):
            raise InputError(
                self.asked, f"its input {name} is {values.dtype}", f"Give {name} as {record.dtype}"
            )
        wanted = record.shape
        fits = values.ndim == len(wanted) and all(
            not isinstance(size, int) or size == values.shape[place]
            for place, size in enumerate(wanted)
            if place
        )
        if not fits:
            raise InputError(
                self.asked,
                f"its input {name} has the shape {_shown(values.shape)}, and {_shown(wanted)} is taken",
                "Prepare inputs with prepare_images or prepare_texts, or give what run asks for",
            )
        if floats:
            return np.ascontiguousarray(values, _NUMPY.get(dtype, dtype))
        return values  # integers are checked, and made the graph's, by pitome.text_inputs


def _shown(shape: tuple[int | str, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"
