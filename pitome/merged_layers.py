"""The blocks of a model, with a merge between attention and MLP (METHOD.md section 1).

They stand where the model's own list of blocks stood, under the same names, so that a compressed model has
the tensor names of the model that it was made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def merged_layers_of(model: nn.Module) -> tuple[str, MergedLayers]:
    """Where a compressed model has its blocks, such as "encoder.layers", and they themselves."""
    (found,) = ((name, part) for name, part in model.named_modules() if isinstance(part, MergedLayers))
    return found


class MergedLayers(nn.Module):
    """A model's own blocks, which the model's loop over them runs all in one.

    Indexed, and by the names of its tensors, it is the list of the blocks; iterated, as in the loop
    ``for layer in layers: x = layer(x, mask)``, it yields one callable, itself.

    Args:
        blocks: the model's own, in order.
        family: how a block is taken apart.
        schedule: tokens merged per layer.
        settings: the method.
        mergers: one per layer, None where nothing merges.
        keep_positions: return every original position with its group's vector (else the short form).
    """

    def __init__(
        self,
        blocks: Sequence[nn.Module],
        family: Family,
        schedule: TokenSchedule,
        settings: MergeSettings,
        mergers: Sequence[Merger | None],
        keep_positions: bool,
    ) -> None:
        super().__init__()
        for index, block in enumerate(blocks):
            self.add_module(str(index), block)
        self.family = family
        self.schedule = schedule
        self.settings = settings
        self.mergers = tuple(mergers)
        self.keep_positions = keep_positions

    @property
    def blocks(self) -> tuple[nn.Module, ...]:
        """The model's own blocks, in order."""
        return tuple(self.children())

    def __len__(self) -> int:
        """How many blocks there are."""
        return len(self.mergers)

    def __getitem__(self, index: int | slice) -> Any:
        """A block; or, as in a loop over ``layers[:number]``, all of them in one.

        Raises:
            InputError: a slice that leaves some out, which would leave their merges out too.
        """
        if not isinstance(index, slice):
            return self.blocks[index]
        if index.indices(len(self)) != (0, len(self), 1):
            raise InputError(
                f"{len(self.blocks[index])} of the {len(self)} blocks of a compressed model",
                "its schedule is one of all blocks",
                "Cut the model before you compress it",
            )
        return self

    def __iter__(self) -> Iterator[MergedLayers]:
        yield self

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
        for index, (layer, merger) in enumerate(zip(self.blocks, self.mergers, strict=True)):
            if merger is None and assignment is None:
                # Untouched, so that nothing merged means nothing changed.
                x = self.family.run_layer(layer, x, mask, **kwargs)
                continue
            x, keys = self._attend(layer, x, size)
            if merger is not None:
                # x too for a method that takes no metric: it looks at neither.
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
