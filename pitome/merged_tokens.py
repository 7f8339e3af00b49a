"""The short form of a compressed model's output: the tokens that are left, with size and assignment."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers.utils import ModelOutput

from pitome.errors import InputError
from pitome.observe import observe_merges


@dataclass
class MergedTokensOutput(ModelOutput):
    """Output of a model compressed with ``tokens="merged"``."""

    last_hidden_state: Tensor | None = None
    """[B, N', C], the tokens that are left."""
    pooler_output: Tensor | None = None
    image_embeds: Tensor | None = None
    sentence_embedding: Tensor | None = None
    size: Tensor | None = None
    """[B, N', 1] float32, original tokens that each stands for."""
    assignment: Tensor | None = None
    """[B, N] int32, the token that each original position went to."""


def return_merged_tokens(model: nn.Module) -> None:
    """Make a compressed model return `MergedTokensOutput`, in place.

    It gets a class of its own, of the name and with the forward signature of the old one, which it is derived
    from. So it stays the model that it was: its tensors keep their names, and it saves as an ordinary
    checkpoint.
    """
    model.__class__ = _short_class(type(model))


def _short_class(model_class: type[nn.Module]) -> type[nn.Module]:
    @functools.wraps(model_class.forward)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> MergedTokensOutput:
        """The model's output in the short form; InputError where a tuple is asked for."""
        asked = kwargs.get("return_dict")
        if not (getattr(self.config, "return_dict", True) if asked is None else asked):
            raise InputError(
                'return_dict=False with tokens="merged"',
                "sizes and assignments are fields of the output, and a tuple has none",
                "Leave return_dict out",
            )
        with observe_merges(keep_metric=False) as observer:
            output = model_class.forward(self, *args, **kwargs)
        return MergedTokensOutput(
            last_hidden_state=output.last_hidden_state,
            pooler_output=getattr(output, "pooler_output", None),
            image_embeds=getattr(output, "image_embeds", None),
            sentence_embedding=getattr(output, "sentence_embedding", None),
            size=observer.size,
            assignment=observer.assignment,
        )

    content = {"forward": forward, "__module__": model_class.__module__, "__doc__": model_class.__doc__}
    return type(model_class.__name__, (model_class,), content)
