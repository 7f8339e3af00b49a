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


LENGTH, VOCABULARY = 24, 50
"""Of the tiny text models: tokens of a text, and how many different ones there are."""
TEXT_OUTPUTS = {"bert": ("last_hidden_state",), "distilbert-classifier": ("logits",)}


def make_text_model(name: str) -> nn.Module:
    """A random text model of width 32 and 3 layers, the same for the same ``name`` of TEXT_OUTPUTS."""
    import transformers

    torch.manual_seed(0)
    if name == "bert":
        bert = transformers.BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=LENGTH,
        )
        return transformers.BertModel(bert, add_pooling_layer=False).eval()
    distilbert = transformers.DistilBertConfig(
        vocab_size=VOCABULARY,
        dim=32,
        n_layers=3,
        n_heads=2,
        hidden_dim=64,
        max_position_embeddings=LENGTH,
        num_labels=7,
    )
    return transformers.DistilBertForSequenceClassification(distilbert).eval()


def make_texts(batch: int, token_types: bool = False) -> dict[str, Tensor]:
    """Token ids and masks int64 [B, LENGTH]; every text has another length, the first one all of it.

    With ``token_types`` the second half of each is of type 1.
    """
    generator = torch.Generator().manual_seed(batch)
    lengths = torch.randint(1, LENGTH + 1, (batch, 1), generator=generator)
    lengths[0] = LENGTH
    mask = (torch.arange(LENGTH) < lengths).long()
    ids = torch.randint(1, VOCABULARY, (batch, LENGTH), generator=generator) * mask
    found = {"input_ids": ids, "attention_mask": mask}
    if token_types:
        found["token_type_ids"] = (torch.arange(LENGTH) >= lengths // 2).long() * mask
    return found


def make_images(batch: int) -> Tensor:
    """[B, 3, 32, 32] float32."""
    return torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(batch))
