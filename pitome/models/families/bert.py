"""BERT, and with it MiniLM and the other sentence embedders of that architecture."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from pitome.models.families import register
from pitome.models.family import split_heads
from pitome.models.text import TextFamily


@register
class Bert(TextFamily):
    """``BertModel``, its classifiers of texts and of tokens, and the encoder of other classes."""

    name = "bert"
    model_types = ("bert",)
    takes_token_types = True
    architectures: ClassVar = {
        "BertModel": "text-features",
        "BertForSequenceClassification": "text-classification",
        "BertForTokenClassification": "token-classification",
    }
    taken_out: ClassVar = {
        "BertForMaskedLM": "BertModel",
        "BertForPreTraining": "BertModel",
        "BertForNextSentencePrediction": "BertModel",
        "BertForMultipleChoice": "BertModel",
        "BertForQuestionAnswering": "BertModel",
    }
    pooled = ("BertModel",)
    outputs: ClassVar = {
        "text-features": ("last_hidden_state",),
        "text-embedding": ("sentence_embedding", "last_hidden_state"),
        "text-classification": ("logits",),
        "token-classification": ("logits",),
    }

    def tower(self, model: Any) -> Any:
        """The model without its classifier."""
        return getattr(model, "bert", model)

    def heads(self, model: Any) -> list[nn.Module]:
        """Pooler and classifier."""
        found = (getattr(self.tower(model), "pooler", None), getattr(model, "classifier", None))
        return [head for head in found if head is not None]

    def layers(self, model: nn.Module) -> Any:
        """The encoder's blocks."""
        return self.tower(model).encoder.layer

    def mlp(self, layer: Any) -> list[nn.Module]:
        """The modules of a block's MLP."""
        return [layer.intermediate, layer.output]

    def attention_scale(self, layer: Any) -> float:
        """The factor of Q K^T."""
        return float(layer.attention.self.scaling)

    def project(self, layer: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, N, C] -> query, key, value, each [B, H, N, d]."""
        attention = layer.attention.self
        query, key, value = (
            split_heads(linear(x), attention.attention_head_size)
            for linear in (attention.query, attention.key, attention.value)
        )
        return query, key, value

    def add_attention(self, layer: Any, x: Tensor, attended: Tensor) -> Tensor:
        """The attention residual and its norm."""
        return layer.attention.output(attended, x)

    def add_mlp(self, layer: Any, x: Tensor) -> Tensor:
        """The MLP residual and its norm."""
        return layer.feed_forward_chunk(x)
