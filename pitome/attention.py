"""Proportional attention: a merged token counts as often as what it stands for (METHOD.md section 3)."""

from __future__ import annotations

import torch
from torch import Tensor


def proportional_attention(
    query: Tensor, key: Tensor, value: Tensor, size: Tensor | None, scale: float
) -> Tensor:
    """softmax(scale Q K^T + log size) V.

    Args:
        query: [B, H, N, d].
        key: [B, H, N, d].
        value: [B, H, N, d].
        size: [B, N, 1] float32, or None where every token counts once. Size 0 masks a token.
        scale: usually d ** -0.5.

    Returns:
        [B, N, H d], heads side by side.
    """
    if torch.onnx.is_in_onnx_export():
        attended = _written_out(query, key, value, size, scale)
    else:
        bias = None if size is None else size_bias(size, query.dtype)
        attended = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, scale=scale
        )
    return attended.transpose(1, 2).flatten(2)


def size_bias(size: Tensor, dtype: torch.dtype) -> Tensor:
    """log size as an additive mask: [B, N, 1] -> [B, 1, 1, N]; -inf for padding."""
    exact = size.double() if dtype == torch.float64 else size
    return exact.clamp(min=0).log().transpose(1, 2).unsqueeze(1).to(dtype)


def _written_out(query: Tensor, key: Tensor, value: Tensor, size: Tensor | None, scale: float) -> Tensor:
    # Plain MatMul and Softmax: every runtime takes them in every precision (an Attention node does not build
    # in fp32 on TensorRT-RTX), and both are fused again by the runtimes that can.
    scores = (query * scale) @ key.transpose(2, 3)
    if size is not None:
        scores = scores + size_bias(size, query.dtype)
    return scores.softmax(dim=-1) @ value
