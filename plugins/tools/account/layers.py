"""The layers that the account is of: the first merging layer of three models, and its block's products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from pitome.models.family import ModelShape
from pitome.models.presets import PRESETS
from pitome.parameters import MergeParameters
from pitome.schedule import TokenSchedule, choose_candidates
from pitome.settings import Metric

KEEP_RATIO = 0.9
PROTECTED_FRACTION = 0.1
SIZE_PENALTY = 0.05
MARGIN = 0.9
BATCHES = (1, 8, 64)
METRICS: tuple[Metric, ...] = get_args(Metric)
ELEMENT_BYTES = 2
"""Of float16."""


@dataclass(frozen=True)
class Product:
    """One matrix product of a block, or two that are fused, for one image."""

    name: str
    multiply_adds: int
    activation_bytes: int
    """Read and written once."""
    weight_bytes: int
    """Read once, whatever the batch."""


@dataclass(frozen=True)
class Layer:
    """A block of ``num_tokens`` tokens of ``width`` numbers that merges with the default setting."""

    model: str
    num_tokens: int
    width: int
    num_heads: int
    mlp_width: int
    prefix: int = 1

    @property
    def schedule(self) -> TokenSchedule:
        """Of this layer alone."""
        return TokenSchedule.from_ratio(KEEP_RATIO, 1, self.num_tokens, self.prefix)

    @property
    def parameters(self) -> MergeParameters:
        """Of its merge."""
        merged, unprotected = self.schedule.num_merged[0], self.num_tokens - self.prefix
        candidates = choose_candidates(PROTECTED_FRACTION, unprotected, merged)
        return MergeParameters(merged, candidates, self.prefix, margin=MARGIN, size_penalty=SIZE_PENALTY)

    @property
    def shape(self) -> ModelShape:
        """As a model of one block and nothing else."""
        return ModelShape(
            num_layers=1,
            num_tokens=self.num_tokens,
            num_protected=self.prefix,
            hidden_size=self.width,
            num_heads=self.num_heads,
            head_width=self.width // self.num_heads,
            mlp_flops_per_token=2 * self.width * self.mlp_width,
            embedding_flops=0,
            head_flops=0,
        )

    def metric_width(self, metric: Metric) -> int:
        """D."""
        return self.width if metric == "hidden" else self.width // self.num_heads

    def products(self) -> tuple[Product, ...]:
        """The block without its merge: N tokens into attention, N - r into the MLP.

        Norms, biases, activations and the sum with the residual count as fused into them.
        """
        before, width = self.num_tokens, self.width
        after = self.schedule.tokens[1]
        mlp = width * self.mlp_width
        token, wide = width * ELEMENT_BYTES, self.mlp_width * ELEMENT_BYTES
        square = width * width
        return (
            Product("qkv", 3 * before * square, 4 * before * token, 3 * square * ELEMENT_BYTES),
            Product("attention", 2 * before**2 * width, 4 * before * token, 0),
            Product("projection", before * square, 3 * before * token, square * ELEMENT_BYTES),
            Product("mlp in", after * mlp, after * (token + wide), mlp * ELEMENT_BYTES),
            Product("mlp out", after * mlp, after * (2 * token + wide), mlp * ELEMENT_BYTES),
        )


def _of_preset(model: str, name: str) -> Layer:
    preset = PRESETS[name]
    return Layer(
        model,
        num_tokens=preset.num_tokens,
        width=preset.config["hidden_size"],
        num_heads=preset.config["num_attention_heads"],
        mlp_width=preset.config["intermediate_size"],
        prefix=preset.prefix_tokens,
    )


LAYERS = (
    _of_preset("CLIP-B/16", "clip-b16"),
    _of_preset("ViT-L/14-336", "clip-l14-336"),
    # No preset: the sizes of its checkpoint's config.json.
    Layer("BLIP-2 ViT-g", num_tokens=257, width=1408, num_heads=16, mlp_width=6144),
)
