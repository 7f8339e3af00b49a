"""CLIP's text tower, the unmerged half of a dual encoder: it is causal, so nothing merges in it."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from pitome.models.families import register
from pitome.models.text import TextFamily


@register
class ClipText(TextFamily):
    """``CLIPTextModelWithProjection``, whose vector of a text is that of its end token, projected."""

    name = "clip_text_model"
    model_types = ("clip_text_model",)
    architectures: ClassVar = {"CLIPTextModelWithProjection": "text-embedding"}
    outputs: ClassVar = {"text-embedding": ("text_embeds",)}
    author_settings = None
    alone = False
    causal = True

    def tower(self, model: Any) -> Any:
        """The model without its projection."""
        return getattr(model, "text_model", model)

    def heads(self, model: Any) -> list[nn.Module]:
        """The projection."""
        return [model.text_projection]

    def layers(self, model: nn.Module) -> Any:
        """The encoder's blocks."""
        return self.tower(model).encoder.layers

    def mlp(self, layer: Any) -> list[nn.Module]:
        """The modules of a block's MLP."""
        return [layer.mlp]

    def attention(self, layer: Any) -> Any:
        """The attention module of a block."""
        return layer.self_attn

    def attention_scale(self, layer: Any) -> float:
        """The factor of Q K^T."""
        return float(layer.self_attn.scale)

    def first_norm(self, layer: Any) -> Any:
        """The norm in front of a block's attention."""
        return layer.layer_norm1

    def add_attention(self, layer: Any, x: Tensor, attended: Tensor) -> Tensor:
        """The attention residual."""
        return x + layer.self_attn.out_proj(attended)

    def add_mlp(self, layer: Any, x: Tensor) -> Tensor:
        """The MLP residual."""
        return x + layer.mlp(layer.layer_norm2(x))
