"""What text encoders have in common: post-norm blocks, a class token in front, padding behind."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pitome.errors import InputError
from pitome.models.author_settings import AUTHOR_SETTINGS, AuthorSettings
from pitome.models.family import Family, ModelShape, linear_flops
from pitome.models.sentence_files import HEAD
from pitome.text_inputs import ATTENTION_MASK, INPUT_IDS, TOKEN_TYPE_IDS, TextInputs

__all__ = ["ATTENTION_MASK", "DEFAULT_SEQUENCE_LENGTH", "INPUT_IDS", "TOKEN_TYPE_IDS", "TextFamily"]

DEFAULT_SEQUENCE_LENGTH = 128


class TextFamily(Family):
    """Encoders that take ``input_ids`` and ``attention_mask``, and ``token_type_ids`` where the model has
    several token types; all int64 [B, L], L static.

    Padding has size 0 from the start (METHOD.md section 4): it is masked in attention, weighs nothing in a
    merge, and is merged away first.
    """

    modality = "text"
    author_settings: ClassVar[AuthorSettings | None] = AUTHOR_SETTINGS["bert"]
    takes_token_types: ClassVar[bool] = False
    """Whether the forward has ``token_type_ids``, which tell the two texts of a pair apart."""

    def check_model(self, model: Any) -> None:
        """Refuse (InputError) a decoder."""
        if getattr(model.config, "is_decoder", False):
            raise InputError(
                f"a {type(model).__name__} to compress",
                "it is a decoder, whose tokens must not see those behind them",
                "Give an encoder",
            )

    def usable_positions(self, config: Any) -> int:
        """Tokens of the longest text. Families whose positions begin behind the padding token's have fewer
        than the table of positions is long."""
        return int(config.max_position_embeddings)

    def sequence_length(self, config: Any) -> int:
        """Tokens of every text: what ``set_sequence_length`` chose, else as many as the model can take."""
        return int(getattr(config, "sequence_length", None) or self.usable_positions(config))

    def default_sequence_length(self, config: Any) -> int:
        """Tokens of every text where nobody asked for a number."""
        return min(DEFAULT_SEQUENCE_LENGTH, self.usable_positions(config))

    def set_sequence_length(self, config: Any, length: int) -> None:
        """Fix the number of tokens of every text, in the model's configuration.

        Raises:
            InputError: fewer than 2, or more than the model has positions for.
        """
        longest = self.usable_positions(config)
        if longest < 2:
            raise InputError(
                "the model's config.json",
                f"it has positions for {longest} token",
                "Choose another checkpoint",
            )
        if not 2 <= length <= longest:
            raise InputError(
                f"SEQUENCE_LENGTH={length}",
                f"the model has positions for 2 to {longest} tokens",
                f"Choose for instance SEQUENCE_LENGTH={self.default_sequence_length(config)}",
            )
        config.sequence_length = length

    @abstractmethod
    def tower(self, model: Any) -> Any:
        """The model without its classifier."""

    @abstractmethod
    def heads(self, model: Any) -> list[nn.Module]:
        """Pooler and classifier, which run once per text; a classifier of tokens once per token."""

    @abstractmethod
    def mlp(self, layer: Any) -> list[nn.Module]:
        """The modules of a block's MLP."""

    def num_token_types(self, config: Any) -> int:
        """Token types to choose from; 0 where there is no choice, so that a graph has no input for them."""
        found = int(getattr(config, "type_vocab_size", 0) or 0) if self.takes_token_types else 0
        return found if found > 1 else 0

    def text_inputs(self, config: Any) -> TextInputs:
        """The inputs of a model of this configuration, in the order of an exported graph."""
        limits = {INPUT_IDS: int(config.vocab_size), ATTENTION_MASK: 2}
        types = self.num_token_types(config)
        return TextInputs(limits | ({TOKEN_TYPE_IDS: types} if types else {}))

    def example_inputs(self, model: Any, batch: int) -> dict[str, Tensor]:
        """Texts of ones: a token that every vocabulary has, nowhere padding; the first type everywhere."""
        shape = (batch, self.sequence_length(model.config))
        return {
            name: torch.full(shape, 0 if name == TOKEN_TYPE_IDS else 1, dtype=torch.int64)
            for name in self.text_inputs(model.config).limits
        }

    def shape(self, model: Any) -> ModelShape:
        """The sizes of the model at its sequence length."""
        layers, config = self.layers(model), model.config
        return ModelShape(
            num_layers=len(layers),
            num_tokens=self.sequence_length(config),
            num_protected=1,
            hidden_size=config.hidden_size,
            num_heads=config.num_attention_heads,
            head_width=config.hidden_size // config.num_attention_heads,
            mlp_flops_per_token=sum(map(linear_flops, self.mlp(layers[0]))),
            embedding_flops=0,
            # A classifier of tokens runs on every one of them.
            head_flops=sum(map(linear_flops, (*self.heads(model), *_sentence_head(model))))
            * (self.sequence_length(config) if "TokenClassification" in type(model).__name__ else 1),
        )


def _sentence_head(model: Any) -> tuple[nn.Module, ...]:
    """What makes one vector of the tokens (`pitome.models.sentence`), where the model has it."""
    head = getattr(model, HEAD, None)
    return () if head is None else (head,)


def size_of_mask(mask: Tensor) -> Tensor:
    """Sizes that a mask stands for: bool [B, 1, 1, N] -> [B, N, 1] float32, 0 for padding."""
    return mask[:, 0, 0, :, None].to(torch.float32)
