"""A block of CLIP's vision tower in plain PyTorch, with and without a merge in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pitome.parameters import MergeParameters
from tests.plugins.gpu_kernels.device import TimedDevice

Metric = Literal["hidden", "keys"]
METRICS: tuple[Metric, ...] = ("hidden", "keys")


@dataclass(frozen=True)
class Layer:
    """A layer's sizes, and its merge."""

    name: str
    num_tokens: int
    width: int
    num_heads: int
    mlp_width: int
    parameters: MergeParameters


CLIP_B16 = Layer(
    "CLIP ViT-B/16, first layer",
    num_tokens=197,
    width=768,
    num_heads=12,
    mlp_width=3072,
    parameters=MergeParameters(
        num_merged=19, num_candidates=176, num_protected=1, margin=0.9, offset=0.9, size_penalty=0.05
    ),
)
"""What the default setting merges in the account's CLIP-B/16."""


class ClipBlock(nn.Module):
    """Attention, then the MLP, each behind a norm and beside a residual.

    As quick as plain PyTorch has it, for the merge is measured against it: queries, keys and values are one
    product, and quick GELU is SiLU, whose factor of 1.702 stands in the weights around it.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.num_heads = layer.num_heads
        self.norm_1 = nn.LayerNorm(layer.width)
        self.qkv = nn.Linear(layer.width, 3 * layer.width)
        self.projection = nn.Linear(layer.width, layer.width)
        self.norm_2 = nn.LayerNorm(layer.width)
        self.mlp_in = nn.Linear(layer.width, layer.mlp_width)
        self.mlp_out = nn.Linear(layer.mlp_width, layer.width)

    def attend(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, N, C] after attention, and the keys [B, heads, N, C / heads]."""
        qkv = self.qkv(self.norm_1(x)).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        heads = functional.scaled_dot_product_attention(query, key, value)
        return x + self.projection(heads.transpose(1, 2).flatten(2)), key

    def feed(self, x: Tensor) -> Tensor:
        """x [B, N, C] after the MLP."""
        return x + self.mlp_out(functional.silu(self.mlp_in(self.norm_2(x))))

    def forward(self, x: Tensor) -> Tensor:
        """The block as it is: [B, N, C] to [B, N, C]."""
        return self.feed(self.attend(x)[0])


class MergingBlock:
    """The same block with a merge between its halves: [B, N, C] to [B, N - r, C]."""

    def __init__(
        self, block: ClipBlock, device: TimedDevice, parameters: MergeParameters, metric: Metric
    ) -> None:
        self.block, self.device, self.parameters, self.metric = block, device, parameters, metric

    def __call__(self, x: Tensor, size: Tensor) -> Tensor:
        """x [B, N, C], size [B, N, 1] float32."""
        x, keys = self.block.attend(x)
        rows = x if self.metric == "hidden" else keys.mean(dim=1)
        return self.block.feed(self.device.enqueue(x, rows, size, self.parameters).x)


def make_block(layer: Layer, place: str, dtype: torch.dtype) -> ClipBlock:
    """With random weights, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block = ClipBlock(layer)
    return block.to(place, dtype).eval().requires_grad_(False)
