"""DINOv2: ViT with LayerScale, and classifiers that average the patch tokens."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from pitome.models.families import register
from pitome.models.family import (
    Family,
    ModelShape,
    linear_flops,
    patch_count,
    patch_embedding_flops,
)
from pitome.models.preprocessing import IMAGENET_COLOURS, make_preprocess


@register
class Dinov2(Family):
    """``Dinov2Model`` and ``Dinov2ForImageClassification``; the PiToMe authors published nothing for it."""

    name = "dinov2"
    model_types = ("dinov2",)
    architectures: ClassVar = {
        "Dinov2Model": "image-features",
        "Dinov2ForImageClassification": "image-classification",
    }
    taken_out: ClassVar = {"Dinov2Backbone": "Dinov2Model"}
    outputs: ClassVar = {
        "image-features": ("last_hidden_state",),
        "image-classification": ("logits",),
    }

    default_preprocess = make_preprocess(224, IMAGENET_COLOURS, resize_size=256)
    interpolates = True
    tiny_config: ClassVar = {"mlp_ratio": 2}

    def _tower(self, model: Any) -> Any:
        return getattr(model, "dinov2", model)

    def layers(self, model: nn.Module) -> Any:
        """The encoder's blocks."""
        return self._tower(model).encoder.layer

    def first_norm(self, layer: Any) -> Any:
        """The norm in front of a block's attention."""
        return layer.norm1

    def add_attention(self, layer: Any, x: Tensor, attended: Tensor) -> Tensor:
        """The attention residual."""
        return layer.drop_path(layer.layer_scale1(layer.attention.o_proj(attended))) + x

    def add_mlp(self, layer: Any, x: Tensor) -> Tensor:
        """The MLP residual."""
        return layer.drop_path(layer.layer_scale2(layer.mlp(layer.norm2(x)))) + x

    def shape(self, model: nn.Module) -> ModelShape:
        """The sizes of the model."""
        tower, classifier = self._tower(model), getattr(model, "classifier", None)
        config, layer = tower.config, self.layers(model)[0]
        patches = patch_count(config.image_size, config.patch_size)
        return ModelShape(
            num_layers=len(self.layers(model)),
            num_tokens=patches + 1,
            num_protected=1,
            hidden_size=config.hidden_size,
            num_heads=config.num_attention_heads,
            head_width=layer.attention.head_dim,
            mlp_flops_per_token=linear_flops(layer.mlp),
            embedding_flops=patch_embedding_flops(tower.embeddings.patch_embeddings.projection, patches),
            head_flops=linear_flops(classifier) if classifier is not None else 0,
        )
