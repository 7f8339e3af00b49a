"""What merging saves on texts only because they are padded: the baselines to show beside it.

A padded batch computes positions that mean nothing. Merging takes those away first, but so does a model that
never pads (one text at a time), or pads to the next of a few lengths (buckets).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError
from pitome.flops import count_flops
from pitome.models.family import ModelShape
from pitome.runtime import Array, Inputs, RunResult
from pitome.schedule import TokenSchedule
from pitome.validate.padding_records import BUCKET, PaddingRecord
from pitome.validate.samples import Samples

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pitome.runtime.pytorch import PyTorchRuntime


@dataclass(frozen=True)
class RemovedTokens:
    """What one layer took away, over all samples."""

    layer: int
    removed: int
    padding: int
    """Those of them that were padding."""


class PaddingCounter:
    """Counts the padding among the tokens that merged models take away, layer by layer.

    A group of p padding and q real tokens becomes one token, a real one where q > 0, because padding weighs
    nothing: then all p padding tokens are gone, else p - 1.
    """

    def __init__(self) -> None:
        self._totals: dict[int, list[int]] = {}

    @property
    def layers(self) -> tuple[RemovedTokens, ...]:
        """What was counted so far."""
        return tuple(RemovedTokens(layer, *counts) for layer, counts in sorted(self._totals.items()))

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count one forward pass."""
        from pitome.observe import observe_merges

        with observe_merges(keep_metric=False) as observer:
            yield
        for record in observer.records:
            removed, padding = _removed(record.decided, record.size)
            layer = self._totals.setdefault(record.layer, [0, 0])
            layer[0] += removed
            layer[1] += padding

    def watched(self, model: PyTorchRuntime) -> PyTorchRuntime:
        """The same model, with every run of it counted."""
        from pitome.runtime.pytorch import PyTorchRuntime

        counting = self.counting

        class Counted(PyTorchRuntime):
            def run(self, inputs: Inputs, forced: Sequence[Array] | None = None) -> RunResult:
                with counting():
                    return super().run(inputs, forced)

        return Counted(model.model, model.outputs)


def removed_padding(model: nn.Module, samples: Samples, batch: int = 32) -> tuple[RemovedTokens, ...]:
    """Run a merged model over texts, and count as `PaddingCounter` does.

    Args:
        model: compressed model; called as ``model(**inputs)``.
        samples: texts.
        batch: texts at a time.
    """
    import torch

    counter = PaddingCounter()
    for inputs in samples.batches(batch):
        with torch.no_grad(), counter.counting():
            model(**inputs)
    return counter.layers


def padding_record(
    samples: Samples, removed: Sequence[RemovedTokens], shape: ModelShape, flops_ratio: float
) -> PaddingRecord:
    """What padding has to do with what merging saves on these texts.

    Args:
        samples: texts with their ``attention_mask``.
        removed: what merging took away from them.
        shape: of the unmerged model.
        flops_ratio: FLOPs of the merged model, relative to the padded unmerged one.
    """
    mask = samples.inputs["attention_mask"]
    lengths = mask.sum(dim=1).numpy().astype(np.int64)
    return PaddingRecord(
        texts=len(samples),
        full_length=int((lengths == mask.shape[1]).sum()),
        share_of_inputs=1 - float(lengths.mean()) / mask.shape[1],
        share_of_removed=padding_share(removed),
        flops_merged=flops_ratio,
        flops_unpadded=unpadded_flops(shape, lengths),
        flops_bucketed=bucketed_flops(shape, lengths),
    )


def padding_share(layers: Sequence[RemovedTokens]) -> float | None:
    """Padding among all removed tokens; None where none were removed."""
    removed = sum(layer.removed for layer in layers)
    return sum(layer.padding for layer in layers) / removed if removed else None


def unpadded_flops(shape: ModelShape, lengths: npt.NDArray[np.int64]) -> float:
    """FLOPs of the unmerged model without any padding, relative to its FLOPs with all padding.

    Args:
        shape: of the model at its full length.
        lengths: [n] real tokens of each text.

    Raises:
        InputError: a length outside 1 to ``shape.num_tokens``.
    """
    full = shape.num_tokens
    if not len(lengths) or lengths.min() < 1 or lengths.max() > full:
        found = f"they go from {lengths.min()} to {lengths.max()}" if len(lengths) else "there are none"
        raise InputError("lengths of texts", found, f"Give numbers of tokens from 1 to {full}")
    values, counts = np.unique(lengths, return_counts=True)
    cost = sum(
        _flops(shape, length) * count for length, count in zip(values.tolist(), counts.tolist(), strict=True)
    )
    return cost / (_flops(shape, full) * len(lengths))


def bucketed_flops(shape: ModelShape, lengths: npt.NDArray[np.int64], bucket: int = BUCKET) -> float:
    """As `unpadded_flops`, each text padded to the next multiple of ``bucket``, at most the full length."""
    rounded = np.minimum(-(-np.asarray(lengths) // bucket) * bucket, shape.num_tokens)
    return unpadded_flops(shape, rounded)


def _removed(assignment: Tensor, size: Tensor) -> tuple[int, int]:
    """Tokens that assignment [B, N] takes away, and how many of them are padding by size [B, N, 1]."""
    import torch

    real = (size.squeeze(-1) > 0).long()
    slots = assignment.long()
    members = torch.zeros_like(slots).scatter_add_(1, slots, torch.ones_like(slots))
    real_members = torch.zeros_like(slots).scatter_add_(1, slots, real)
    kept = members > 0
    padding_kept = kept & (real_members == 0)
    removed = slots.numel() - int(kept.sum())
    return removed, int((real == 0).sum()) - int(padding_kept.sum())


def _flops(shape: ModelShape, num_tokens: int) -> int:
    shorter = replace(shape, num_tokens=num_tokens)
    nothing = TokenSchedule(num_tokens, shape.num_protected, (0,) * shape.num_layers)
    return count_flops(shorter, nothing, 0).base
