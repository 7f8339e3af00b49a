"""Distilled DeiT: ViT with a distillation token beside the class token."""

from __future__ import annotations

from typing import Any, ClassVar

from pitome.models.families import register
from pitome.models.families.vit import Vit
from pitome.models.preprocessing import IMAGENET_COLOURS, make_preprocess


@register
class Deit(Vit):
    """``DeiTForImageClassificationWithTeacher`` and its kin; both prefix tokens are protected."""

    name = "deit"
    model_types = ("deit",)
    architectures: ClassVar = {
        "DeiTForImageClassificationWithTeacher": "image-classification",
        "DeiTForImageClassification": "image-classification",
        "DeiTModel": "image-features",
    }
    taken_out: ClassVar = {"DeiTForMaskedImageModeling": "DeiTModel"}
    pooled: ClassVar = ("DeiTModel",)
    default_preprocess = make_preprocess(224, IMAGENET_COLOURS, resize_size=256)
    prefix_tokens = 2

    def tower(self, model: Any) -> Any:
        """The model without its classifiers."""
        return getattr(model, "deit", model)
