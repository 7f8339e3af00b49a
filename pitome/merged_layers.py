"""The blocks of a model, with a merge between attention and MLP (METHOD.md section 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pitome.attention import proportional_attention
from pitome.errors import InputError
from pitome.merge import compose_assignments
from pitome.methods import Merger
from pitome.models.family import Family
from pitome.models.text import size_of_mask
from pitome.observe import current_observer
from pitome.op import unmerge
from pitome.schedule import TokenSchedule
from pitome.settings import MergeSettings


class MergedLayers(nn.Module):
    """Runs all blocks of a model; stands in the model's list of blocks as its only member.

    Args:
        layers: the model's own blocks.
        family: how a block is taken apart.
        schedule: tokens merged per layer.
        settings: the method.
        mergers: one per layer, None where nothing merges.
        keep_positions: return every original position with its group's vector (else the short form).
    """

    def __init__(
        self,
        layers: nn.ModuleList,
        family: Family,
        schedule: TokenSchedule,
        settings: MergeSettings,
        mergers: Sequence[Merger | None],
        keep_positions: bool,
    ) -> None:
        super().__init__()
        self.layers = layers
        self.family = family
        self.schedule = schedule
        self.settings = settings
        self.mergers = tuple(mergers)
        self.keep_positions = keep_positions

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        *_cross_attention: Any,
        **kwargs: Any,
    ) -> Tensor:
        """[B, N, C] -> [B, N, C], or [B, N', C] in the short form.

        Args:
            hidden_states: [B, N, C].
            attention_mask: for texts bool [B, 1, 1, N], as ``compress`` prepares it: padding has size 0. For
                images it is not looked at: ``compress`` refuses a user's, and while it is traced the library
                makes one that masks nothing.
            kwargs: handed on to blocks in front of the first merge.

        Raises:
            InputError: another number of tokens than the schedule's.
        """
        self._check(hidden_states)
        mask = attention_mask if self.family.modality == "text" else None
        x, assignment = hidden_states, None
        size = None if mask is None else size_of_mask(mask)
        observer = current_observer()
        for index, (layer, merger) in enumerate(zip(self.layers, self.mergers, strict=True)):
            if merger is None and assignment is None:
                x = layer(x, mask, **kwargs)  # untouched, so that nothing merged means nothing changed
                continue
            x, keys = self._attend(layer, x, size)
            if merger is not None:
                metric = keys if self.settings.metric == "keys" else x
                if size is None:
                    size = torch.ones_like(x[:, :, :1], dtype=torch.float32)
                result = merger(x, metric, size)
                if observer is not None:
                    result = observer.after_merge(index, x, metric, size, result)
                x, size = result.x, result.size
                step = result.assignment
                assignment = step if assignment is None else compose_assignments(assignment, step)
            x = self.family.add_mlp(layer, x)
        if observer is not None:
            observer.size, observer.assignment = size, assignment
        return x if assignment is None or not self.keep_positions else unmerge(x, assignment)

    def _attend(self, layer: nn.Module, x: Tensor, size: Tensor | None) -> tuple[Tensor, Tensor]:
        query, key, value = self.family.project(layer, x)
        attended = proportional_attention(
            query, key, value, self._counted(size), self.family.attention_scale(layer)
        )
        return self.family.add_attention(layer, x, attended), key.mean(dim=1)

    def _counted(self, size: Tensor | None) -> Tensor | None:
        """How often each token counts in attention; padding (size 0) never does."""
        if size is None or self.settings.proportional_attention:
            return size
        return (size > 0).to(size.dtype) if self.family.modality == "text" else None

    def _check(self, x: Tensor) -> None:
        if x.shape[1] != self.schedule.num_tokens:
            raise InputError(
                f"an input of {x.shape[1]} tokens",
                f"the model was compressed for {self.schedule.num_tokens} tokens",
                "Give images of the size, or texts of the length, that it was compressed for, or compress it "
                "with another IMAGE_SIZE or SEQUENCE_LENGTH",
            )
