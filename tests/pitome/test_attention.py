"""Proportional attention against attention over tokens that are written out size times."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pitome.attention import _written_out, proportional_attention, size_bias

SCALE = 0.5


def repeated_attention(query: Tensor, key: Tensor, value: Tensor, size: Tensor) -> Tensor:
    """One image at a time: every key and value stands there ``size`` times; softmax in float64."""
    images = []
    for image in range(len(query)):
        times = size[image, :, 0].long()
        keys, values = key[image].double(), value[image].double()
        keys, values = (rows.repeat_interleave(times, dim=1) for rows in (keys, values))
        weights = (query[image].double() @ keys.transpose(1, 2) * SCALE).exp()
        heads = weights @ values / weights.sum(dim=-1, keepdim=True)
        images.append(torch.cat(list(heads), dim=-1))
    return torch.stack(images)


def tokens(batch: int, heads: int, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    query, key, value = torch.randn(3, batch, heads, count, 4, generator=generator)
    return query, key, value


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 5), min_size=2, max_size=12).filter(any),
    heads=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_a_merged_token_counts_as_often_as_its_size(sizes: list[int], heads: int, seed: int) -> None:
    query, key, value = tokens(2, heads, len(sizes), seed)
    size = torch.tensor([sizes, sizes[::-1]], dtype=torch.float32).unsqueeze(-1)
    expected = repeated_attention(query, key, value, size)
    found = proportional_attention(query, key, value, size, SCALE)
    assert found.shape == (2, len(sizes), heads * 4)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    exported = _written_out(query, key, value, size, SCALE).transpose(1, 2).flatten(2)
    torch.testing.assert_close(exported.double(), expected, rtol=1e-5, atol=1e-6)


def test_without_sizes_every_token_counts_once() -> None:
    query, key, value = tokens(2, 3, 7, 1)
    found = proportional_attention(query, key, value, None, SCALE)
    expected = repeated_attention(query, key, value, torch.ones(2, 7, 1))
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    ones = proportional_attention(query, key, value, torch.ones(2, 7, 1), SCALE)
    torch.testing.assert_close(ones, found, rtol=1e-6, atol=1e-6)


def test_tokens_of_size_zero_or_less_are_masked() -> None:
    query, key, value = tokens(1, 2, 5, 2)
    size = torch.tensor([1.0, 0, 3, -1, 2]).reshape(1, 5, 1)
    found = proportional_attention(query, key, value, size, SCALE)
    changed_key, changed_value = key.clone(), value.clone()
    changed_key[:, :, [1, 3]], changed_value[:, :, [1, 3]] = 50.0, 50.0
    assert torch.equal(found, proportional_attention(query, changed_key, changed_value, size, SCALE))
    kept = [0, 2, 4]
    alone = repeated_attention(query, key[:, :, kept], value[:, :, kept], size[:, kept])
    torch.testing.assert_close(found.double(), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_bias_is_the_logarithm_in_the_type_of_the_scores(dtype: torch.dtype) -> None:
    bias = size_bias(torch.tensor([[[1.0], [2.0], [0.0], [-4.0]]]), dtype)
    assert bias.dtype == dtype
    assert bias.shape == (1, 1, 1, 4)
    expected = torch.tensor([1.0, 2.0], dtype=torch.float64).log().to(dtype)
    assert torch.equal(bias.flatten()[:2], expected)
    assert torch.equal(bias.flatten()[2:], torch.full((2,), -torch.inf, dtype=dtype))
