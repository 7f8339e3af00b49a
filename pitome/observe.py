"""Look into a compressed model's merges while it runs, or force their decisions.

Parity checks compare decisions layer by layer with the layers before forced to another runtime's
decisions (DESIGN.md, "Parity, the rule"); ``tokens="merged"`` reads the final sizes here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from torch import Tensor

from pitome.merge import MergeResult, apply_assignment


@dataclass(frozen=True)
class MergeRecord:
    """One merge as it ran."""

    layer: int
    metric: Tensor
    """[B, N, D], as the merge got it."""
    size: Tensor
    """[B, N, 1] float32, as the merge got it."""
    decided: Tensor
    """[B, N] int32, what this model decides on its own."""


@dataclass
class MergeObserver:
    """Collects the merges of one forward pass."""

    forced: Sequence[Tensor] | None = None
    """For each merging layer in order the assignment [B, N] to apply in place of the own."""
    keep_metric: bool = True
    records: list[MergeRecord] = field(default_factory=list)
    size: Tensor | None = None
    """[B, N', 1] float32 after the last layer."""
    assignment: Tensor | None = None
    """[B, N] int32, from original positions to the tokens after the last layer."""

    def after_merge(
        self, layer: int, x: Tensor, metric: Tensor, size: Tensor, result: MergeResult
    ) -> MergeResult:
        """Record a merge; where decisions are forced, redo it with the forced one."""
        index = len(self.records)
        kept_metric = metric if self.keep_metric else metric[:, :0]
        self.records.append(MergeRecord(layer, kept_metric, size, result.assignment))
        if self.forced is None:
            return result
        return apply_assignment(x, size, self.forced[index], result.x.shape[1])


_observer: ContextVar[MergeObserver | None] = ContextVar("merge_observer", default=None)


def current_observer() -> MergeObserver | None:
    """The observer of this thread's ``observe_merges``, if any."""
    return _observer.get()


@contextmanager
def observe_merges(
    forced: Sequence[Tensor] | None = None, keep_metric: bool = True
) -> Iterator[MergeObserver]:
    """Observe every compressed model that runs within the ``with`` block, in this thread."""
    observer = MergeObserver(forced, keep_metric)
    token = _observer.set(observer)
    try:
        yield observer
    finally:
        _observer.reset(token)
