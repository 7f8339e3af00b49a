"""Distilled DeiT: ViT with a distillation token beside the class token."""

from __future__ import annotations

from typing import Any, ClassVar

from pitome.models.vit import Vit


class Deit(Vit):
    """``DeiTForImageClassificationWithTeacher`` and its kin; both prefix tokens are protected."""

    name = "deit"
    model_types = ("deit",)
    architectures: ClassVar = {
        "DeiTForImageClassificationWithTeacher": "image-classification",
        "DeiTForImageClassification": "image-classification",
        "DeiTModel": "image-features",
    }
    prefix_tokens = 2

    def tower(self, model: Any) -> Any:
        """The model without its classifiers."""
        return getattr(model, "deit", model)
