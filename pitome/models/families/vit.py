"""ViT, and the undistilled DeiT checkpoints, which are of the same type."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from pitome.models.author_settings import AUTHOR_SETTINGS
from pitome.models.families import register
from pitome.models.family import (
    Family,
    ModelShape,
    linear_flops,
    patch_count,
    patch_embedding_flops,
)
from pitome.models.preprocessing import HALF_COLOURS, make_preprocess


@register
class Vit(Family):
    """``ViTForImageClassification`` and ``ViTModel``."""

    name = "vit"
    model_types = ("vit",)
    architectures: ClassVar = {
        "ViTForImageClassification": "image-classification",
        "ViTModel": "image-features",
    }
    taken_out: ClassVar = {"ViTForMaskedImageModeling": "ViTModel"}
    pooled: ClassVar = ("ViTModel",)
    outputs: ClassVar = {
        "image-classification": ("logits",),
        "image-features": ("last_hidden_state",),
    }
    author_settings = AUTHOR_SETTINGS["deit"]
    """The authors' rows for ViT are DeiT's and MAE's; supervised checkpoints take DeiT's."""
    default_preprocess = make_preprocess(224, HALF_COLOURS, "squash", resample="bilinear")
    prefix_tokens: ClassVar[int] = 1

    def tower(self, model: Any) -> Any:
        """The model without its classifier."""
        return getattr(model, "vit", model)

    def layers(self, model: nn.Module) -> Any:
        """The blocks."""
        return self.tower(model).layers

    def num_protected(self, model: nn.Module) -> int:
        """The class token, and DeiT's distillation token."""
        return self.prefix_tokens

    def first_norm(self, layer: Any) -> Any:
        """The norm in front of a block's attention."""
        return layer.layernorm_before

    def add_attention(self, layer: Any, x: Tensor, attended: Tensor) -> Tensor:
        """The attention residual."""
        return layer.dropout(layer.attention.o_proj(attended)) + x

    def add_mlp(self, layer: Any, x: Tensor) -> Tensor:
        """The MLP residual."""
        return layer.dropout(layer.mlp(layer.layernorm_after(x))) + x

    def shape(self, model: nn.Module) -> ModelShape:
        """The sizes of the model."""
        tower = self.tower(model)
        config = tower.config
        patches = patch_count(config.image_size, config.patch_size)
        heads = [part for name, part in model.named_children() if "classifier" in name]
        if getattr(tower, "pooler", None) is not None:
            heads.append(tower.pooler)
        layer = self.layers(model)[0]
        return ModelShape(
            num_layers=len(self.layers(model)),
            num_tokens=patches + self.prefix_tokens,
            num_protected=self.prefix_tokens,
            hidden_size=config.hidden_size,
            num_heads=config.num_attention_heads,
            head_width=layer.attention.head_dim,
            mlp_flops_per_token=linear_flops(layer.mlp),
            embedding_flops=patch_embedding_flops(tower.embeddings.patch_embeddings.projection, patches),
            head_flops=sum(map(linear_flops, heads)),
        )
