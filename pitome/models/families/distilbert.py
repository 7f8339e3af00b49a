"""DistilBERT."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from pitome.models.families import register
from pitome.models.family import split_heads
from pitome.models.text import TextFamily


@register
class DistilBert(TextFamily):
    """``DistilBertModel``, its classifiers of texts and of tokens, and the encoder of other classes."""

    name = "distilbert"
    model_types = ("distilbert",)
    architectures: ClassVar = {
        "DistilBertModel": "text-features",
        "DistilBertForSequenceClassification": "text-classification",
        "DistilBertForTokenClassification": "token-classification",
    }
    taken_out: ClassVar = {
        "DistilBertForMaskedLM": "DistilBertModel",
        "DistilBertForMultipleChoice": "DistilBertModel",
        "DistilBertForQuestionAnswering": "DistilBertModel",
    }
    outputs: ClassVar = {
        "text-features": ("last_hidden_state",),
        "text-embedding": ("sentence_embedding", "last_hidden_state"),
        "text-classification": ("logits",),
        "token-classification": ("logits",),
    }

    tiny_config: ClassVar = {"hidden_dim": 64}

    def tower(self, model: Any) -> Any:
        """The model without its classifier."""
        return getattr(model, "distilbert", model)

    def heads(self, model: Any) -> list[nn.Module]:
        """The classifier's two layers."""
        found = (getattr(model, "pre_classifier", None), getattr(model, "classifier", None))
        return [head for head in found if head is not None]

    def layers(self, model: nn.Module) -> Any:
        """The transformer's blocks."""
        return self.tower(model).transformer.layer

    def mlp(self, layer: Any) -> list[nn.Module]:
        """The modules of a block's MLP."""
        return [layer.ffn]

    def attention_scale(self, layer: Any) -> float:
        """The factor of Q K^T."""
        return float(layer.attention.scaling)

    def project(self, layer: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, N, C] -> query, key, value, each [B, H, N, d]."""
        attention = layer.attention
        query, key, value = (
            split_heads(linear(x), attention.attention_head_size)
            for linear in (attention.q_lin, attention.k_lin, attention.v_lin)
        )
        return query, key, value

    def add_attention(self, layer: Any, x: Tensor, attended: Tensor) -> Tensor:
        """The attention residual and its norm."""
        return layer.sa_layer_norm(layer.attention.out_lin(attended) + x)

    def add_mlp(self, layer: Any, x: Tensor) -> Tensor:
        """The MLP residual and its norm."""
        return layer.output_layer_norm(layer.ffn(x) + x)
