"""Shards, one after the other: prepared, run in batches of a fixed size, published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pitome.serving.embed.options import Dtype
from pitome.serving.embed.prepared import Chunk, Prepared, Preparer
from pitome.serving.embed.shards import Cut, Embedded, Failure, ShardFacts, publish_shard
from pitome.serving.embed.work_list import ShardInput, WorkList

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOT_FINITE = "its embedding is not finite"
Run = Callable[[dict[str, "NDArray[Any]"]], "NDArray[Any]"]
"""Input name -> [batch, ...] to [batch, D]."""


@dataclass(frozen=True)
class How:
    """What a worker must know beside its list."""

    folder: Path
    batch_size: int
    dtype: Dtype
    dimension: int
    limit: int
    """Tokens of the longest text; 0 for images."""
    bundle_sha256: str


class ShardComputer:
    """Computes shards with one model.

    Args:
        how: what is the same for all shards.
        preparer: of the inputs.
        run: the model.
    """

    def __init__(self, how: How, preparer: Preparer, run: Run) -> None:
        self._how, self._preparer, self._run = how, preparer, run

    def compute(
        self, work: WorkList, numbers: Iterable[int], done: Callable[[int], None]
    ) -> Iterator[ShardFacts]:
        """Compute shards and publish each; what comes next is prepared meanwhile.

        Args:
            work: the list.
            numbers: of the shards, in order.
            done: told after every batch how many inputs are dealt with.
        """
        shards: dict[int, ShardInput] = {}
        batches: _Batches | None = None
        for prepared in self._preparer.prepare(self._chunks(work, numbers, shards)):
            shard = shards[prepared.chunk.shard]
            if batches is None:
                batches = _Batches(self._how, self._run)
            batches.add(prepared)
            done(len(prepared.chunk.items))
            if prepared.chunk.start + len(prepared.chunk.items) == len(shard.items):
                yield self._publish(shards.pop(shard.number), batches)
                batches = None

    def _chunks(
        self, work: WorkList, numbers: Iterable[int], shards: dict[int, ShardInput]
    ) -> Iterator[Chunk]:
        for number in numbers:
            shard = shards[number] = work.shard(number)
            for start in range(0, len(shard.items), self._preparer.rows):
                yield Chunk(number, start, shard.items[start : start + self._preparer.rows])

    def _publish(self, shard: ShardInput, batches: _Batches) -> ShardFacts:
        embedded, failures = batches.finish()
        facts = ShardFacts(
            number=shard.number,
            sha256=shard.digest,
            inputs=len(shard.items),
            first_row=shard.first_row,
            failures=tuple(Failure(shard.items[row].id, failures[row]) for row in sorted(failures)),
            cut=tuple(
                Cut(shard.items[row].id, tokens, self._how.limit)
                for row, tokens in sorted(batches.cut.items())
                if row not in failures
            ),
            remarks=dict(sorted(batches.remarks.items())),
        )
        publish_shard(self._how.folder, shard, embedded, facts, self._how.bundle_sha256)
        return facts


@dataclass
class _Batches:
    """One shard on its way through the model."""

    how: How
    run: Run
    failures: dict[int, str] = field(default_factory=dict)
    cut: dict[int, int] = field(default_factory=dict)
    remarks: Counter[str] = field(default_factory=Counter)
    _rows: list[int] = field(default_factory=list)
    _vectors: list[NDArray[Any]] = field(default_factory=list)
    _batch: dict[str, NDArray[Any]] = field(default_factory=dict)
    _filled: int = 0

    def add(self, prepared: Prepared) -> None:
        """Run what fills a batch, keep the rest."""
        start = prepared.chunk.start
        self.failures.update({start + row: reason for row, reason in prepared.failures.items()})
        self.cut.update({start + row: tokens for row, tokens in prepared.cut.items()})
        self.remarks.update(prepared.remarks)
        self._rows += [start + row for row in prepared.rows]
        taken = 0
        while taken < len(prepared.rows):
            count = min(self.how.batch_size - self._filled, len(prepared.rows) - taken)
            self._fill(prepared.arrays, taken, count)
            taken += count
            if self._filled == self.how.batch_size:
                self._run_batch()

    def finish(self) -> tuple[Embedded, dict[int, str]]:
        """All rows that have an embedding, and why the others have none."""
        if self._filled:
            for values in self._batch.values():  # the last one again: padding alone is no text
                values[self._filled :] = values[self._filled - 1]
            self._run_batch()
        empty = np.empty((0, self.how.dimension), self.how.dtype)
        vectors = np.concatenate(self._vectors) if self._vectors else empty
        rows = np.asarray(self._rows, np.int64)
        finite = np.isfinite(vectors).all(axis=1)
        for row in rows[~finite].tolist():
            self.failures[row] = NOT_FINITE
        with np.errstate(over="ignore"):
            written = vectors.astype(self.how.dtype)
        fits = np.isfinite(written).all(axis=1)
        for row in rows[finite & ~fits].tolist():
            self.failures[row] = f"its embedding has numbers that {self.how.dtype} does not hold"
        return Embedded(rows[fits].tolist(), written[fits]), self.failures

    def _fill(self, arrays: dict[str, NDArray[Any]], start: int, count: int) -> None:
        for name, values in arrays.items():
            if name not in self._batch:
                self._batch[name] = np.empty((self.how.batch_size, *values.shape[1:]), values.dtype)
            self._batch[name][self._filled : self._filled + count] = values[start : start + count]
        self._filled += count

    def _run_batch(self) -> None:
        self._vectors.append(self.run(self._batch)[: self._filled].copy())
        self._filled = 0
