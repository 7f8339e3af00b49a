"""Inputs on their way to the model: a few rows of a shard, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pitome.serving.embed.items import Item

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Chunk:
    """Neighbours in a shard."""

    shard: int
    start: int
    """Row in the shard of the first."""
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Prepared:
    """A chunk as the model takes it; what could not be prepared is left out of the arrays."""

    chunk: Chunk
    arrays: dict[str, NDArray[Any]]
    """Input name -> [rows, ...]."""
    rows: tuple[int, ...]
    """In the chunk, of what the arrays hold."""
    failures: dict[int, str] = field(default_factory=dict)
    """Row in the chunk -> reason."""
    cut: dict[int, int] = field(default_factory=dict)
    """Row in the chunk -> tokens that its text has."""
    remarks: tuple[str, ...] = ()
    """What was assumed, once for each input of which it was."""


class Preparer(Protocol):
    """Makes arrays of inputs, ahead of the model."""

    @property
    def rows(self) -> int:
        """Rows of a chunk."""

    def prepare(self, chunks: Iterable[Chunk]) -> Iterator[Prepared]:
        """Each chunk in order. The arrays are valid until the next one is asked for."""

    def close(self) -> None:
        """End what works ahead."""
