"""Small seeded models of every family: 4 blocks, 36 patches, real ``transformers`` classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

IMAGE_SIZE, PATCH_SIZE, NUM_LAYERS, WIDTH, NUM_HEADS = 48, 8, 4, 32, 2
NUM_PATCHES = (IMAGE_SIZE // PATCH_SIZE) ** 2
CLIP_MODELS = ("CLIPVisionModelWithProjection", "CLIPVisionModel")
VIT_MODELS = ("ViTForImageClassification", "ViTModel")
DEIT_MODELS = ("DeiTForImageClassificationWithTeacher", "DeiTModel")
DINOV2_MODELS = ("Dinov2Model", "Dinov2ForImageClassification")
TEXT_MODELS = (
    "BertModel",
    "BertForSequenceClassification",
    "DistilBertModel",
    "DistilBertForSequenceClassification",
)
SEQUENCE_LENGTH, VOCABULARY = 40, 50
TINY_MODELS = (*CLIP_MODELS, *VIT_MODELS, *DEIT_MODELS, *DINOV2_MODELS)
NO_CLASSIFIERS = tuple(name for name in TINY_MODELS if "Classification" not in name)


def tiny_model(name: str, seed: int = 0, **config: Any) -> Any:
    """A model of one of ``TINY_MODELS``, in eval mode; ``config`` changes its configuration.

    Weights are ten times larger than the library's initial ones, so that blocks matter beside the residual;
    biases and prefix tokens, which begin as zeros, are not zero.
    """
    import transformers

    model_class = getattr(transformers, name)
    sizes: dict[str, Any] = {
        "image_size": IMAGE_SIZE,
        "patch_size": PATCH_SIZE,
        "hidden_size": WIDTH,
        "num_hidden_layers": NUM_LAYERS,
        "num_attention_heads": NUM_HEADS,
        "initializer_range": 0.2,
    }
    if "CLIP" in name:
        sizes |= {"intermediate_size": 2 * WIDTH, "projection_dim": 16, "initializer_factor": 2.0}
    elif "Dinov2" in name:
        sizes |= {"mlp_ratio": 2, "num_labels": 7}
    else:
        sizes |= {"intermediate_size": 2 * WIDTH, "num_labels": 7}
    torch.manual_seed(seed)
    model = model_class(model_class.config_class(**sizes | config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)
    return model


def tiny_images(count: int, seed: int = 0, size: int = IMAGE_SIZE) -> Tensor:
    """Seeded noise [count, 3, size, size]."""
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def tiny_text_model(name: str, seed: int = 0, **options: Any) -> Any:
    """A model of one of ``TEXT_MODELS``, in eval mode, for texts of 40 tokens of 50 kinds; ``options`` are of
    its configuration."""
    import transformers

    model_class = getattr(transformers, name)
    torch.manual_seed(seed)
    if "Distil" in name:
        sizes = {"dim": WIDTH, "n_layers": NUM_LAYERS, "n_heads": NUM_HEADS, "hidden_dim": 2 * WIDTH}
    else:
        sizes = {
            "hidden_size": WIDTH,
            "num_hidden_layers": NUM_LAYERS,
            "num_attention_heads": NUM_HEADS,
            "intermediate_size": 2 * WIDTH,
        }
    config = model_class.config_class(
        **{
            "vocab_size": VOCABULARY,
            "max_position_embeddings": SEQUENCE_LENGTH,
            "initializer_range": 0.2,
            **sizes,
            **options,
        }
    )
    return model_class(config).eval()


def tiny_texts(lengths: Sequence[int], seed: int = 0) -> dict[str, Tensor]:
    """Seeded texts of so many tokens each, padded to 40: input_ids and attention_mask, int64 [n, 40]."""
    ids = torch.randint(
        1, VOCABULARY, (len(lengths), SEQUENCE_LENGTH), generator=torch.Generator().manual_seed(seed)
    )
    mask = (torch.arange(SEQUENCE_LENGTH) < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def outputs_of(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """All tensors that a model returns, without gradients."""
    with torch.no_grad():
        found = model(images)
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}
