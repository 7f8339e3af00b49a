"""Random models of every family, small enough to be traced in seconds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
    "num_labels": 7,
}
OUTPUTS = {
    "clip": ("image_embeds",),
    "vit": ("logits",),
    "deit": ("logits",),
    "dinov2": ("last_hidden_state",),
    "dinov2-classifier": ("logits",),
}


def make_model(name: str) -> nn.Module:
    """A random model of 16 patches, width 64 and 3 layers, the same for the same ``name`` of OUTPUTS."""
    import transformers

    torch.manual_seed(0)
    if name == "clip":
        clip = transformers.CLIPVisionConfig(intermediate_size=128, projection_dim=32, **SIZES)
        return transformers.CLIPVisionModelWithProjection(clip).eval()
    if name == "vit":
        vit = transformers.ViTConfig(intermediate_size=128, **SIZES)
        return transformers.ViTForImageClassification(vit).eval()
    if name == "deit":
        deit = transformers.DeiTConfig(intermediate_size=128, **SIZES)
        return transformers.DeiTForImageClassificationWithTeacher(deit).eval()
    dinov2 = transformers.Dinov2Config(mlp_ratio=2, **SIZES)
    if name == "dinov2":
        return transformers.Dinov2Model(dinov2).eval()
    return transformers.Dinov2ForImageClassification(dinov2).eval()


def make_images(batch: int) -> Tensor:
    """[B, 3, 32, 32] float32."""
    return torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(batch))
