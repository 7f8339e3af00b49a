"""CLIP's vision tower, with its projection or a classifier."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
from pitome.models.preprocessing import CLIP_COLOURS, make_preprocess

_OF_THE_TEXT_TOWER = re.compile(r"(^|\.)text_(model|projection)\.")


@register
class Clip(Family):
    """``CLIPVisionModelWithProjection`` and ``CLIPForImageClassification``; OpenAI's, LAION's and others."""

    name = "clip"
    model_types = ("clip", "clip_vision_model")
    architectures: ClassVar = {
        "CLIPVisionModelWithProjection": "image-embedding",
        "CLIPModel": "image-embedding",
        "CLIPVisionModel": "image-features",
        "CLIPForImageClassification": "image-classification",
    }
    outputs: ClassVar = {
        "image-embedding": ("image_embeds",),
        "image-features": ("last_hidden_state", "pooler_output"),
        "image-classification": ("logits",),
    }
    author_settings = AUTHOR_SETTINGS["clip"]
    whole_configuration = ("CLIPForImageClassification",)
    whole_model = "CLIPModel"
    text_tower = "CLIPTextModelWithProjection"
    default_preprocess = make_preprocess(224, CLIP_COLOURS)
    tiny_config: ClassVar = {"projection_dim": 16}
    prefix_tokens: ClassVar[int] = 1

    def config_content(self, architecture: str, sizes: Mapping[str, Any]) -> dict[str, Any]:
        """A classifier's is a whole CLIP's, around the tower's sizes; so is that of sizes which have a
        ``text_config``."""
        if "text_config" in sizes:
            tower = {name: value for name, value in sizes.items() if name != "text_config"}
            whole = {"vision_config": tower, "text_config": dict(sizes["text_config"])}
            return super().config_content(architecture, whole | {"projection_dim": sizes["projection_dim"]})
        if architecture not in self.whole_configuration:
            return super().config_content(architecture, sizes) | {"model_type": self.model_types[-1]}
        tower = {name: value for name, value in sizes.items() if name != "num_labels"}
        whole = {"vision_config": tower, "num_labels": sizes["num_labels"]}
        return super().config_content(architecture, whole)

    def wanted_keys(self, names: Iterable[str]) -> set[str]:
        """All but the text tower's and its projection's."""
        return {name for name in names if not _OF_THE_TEXT_TOWER.search(name)}

    def vision_config(self, config: Any) -> Any:
        """A whole CLIP's configuration holds the vision tower's."""
        return getattr(config, "vision_config", config)

    def tower_config(self, whole: Any) -> Any:
        """With the whole model's projection width: the tower's own may be a default that nobody set."""
        tower = self.vision_config(whole)
        if hasattr(whole, "projection_dim"):
            tower.projection_dim = whole.projection_dim
        return tower

    def tower(self, model: Any) -> Any:
        """The model without its projection or classifier."""
        return getattr(model, "vision_model", model)

    def num_protected(self, model: nn.Module) -> int:
        """The class token."""
        return self.prefix_tokens

    def head_flops(self, model: Any) -> int:
        """Multiply-adds of the projection or the classifier, per image."""
        head = getattr(model, "visual_projection", None) or getattr(model, "classifier", None)
        return linear_flops(head) if head is not None else 0

    def layers(self, model: nn.Module) -> Any:
        """The encoder's blocks."""
        return self.tower(model).encoder.layers

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

    def shape(self, model: nn.Module) -> ModelShape:
        """The sizes of the vision tower."""
        tower = self.tower(model)
        config = tower.config
        patches = patch_count(config.image_size, config.patch_size)
        return ModelShape(
            num_layers=len(self.layers(model)),
            num_tokens=patches + self.prefix_tokens,
            num_protected=self.prefix_tokens,
            hidden_size=config.hidden_size,
            num_heads=config.num_attention_heads,
            head_width=config.hidden_size // config.num_attention_heads,
            mlp_flops_per_token=linear_flops(self.layers(model)[0].mlp),
            embedding_flops=patch_embedding_flops(tower.embeddings.patch_embedding, patches),
            head_flops=self.head_flops(model),
        )
