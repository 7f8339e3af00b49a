"""The block that the merge is measured against is CLIP's."""

from __future__ import annotations

import torch
from transformers import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPEncoderLayer

from pitome.plugins.tools.account.layers import LAYERS
from tests.plugins.gpu_kernels.block import CLIP_B16, ClipBlock, Layer, make_block

SMALL = Layer("small", 10, 16, 2, 32, CLIP_B16.parameters)
QUICK_GELU = 1.702


def test_the_layer_is_that_of_the_account() -> None:
    account = LAYERS[0]
    assert account.model == "CLIP-B/16"
    for name in ("num_tokens", "width", "num_heads", "mlp_width", "parameters"):
        assert getattr(CLIP_B16, name) == getattr(account, name), name


def test_it_computes_what_transformers_does() -> None:
    config = CLIPVisionConfig(
        hidden_size=16, num_attention_heads=2, intermediate_size=32, attn_implementation="sdpa"
    )
    torch.manual_seed(0)
    original = CLIPEncoderLayer(config).eval()
    x = torch.randn(3, 10, 16)
    with torch.no_grad():
        expected = original(x, attention_mask=None)
        result = with_weights_of(original)(x)
    torch.testing.assert_close(result, expected[0] if isinstance(expected, tuple) else expected)


def with_weights_of(original: CLIPEncoderLayer) -> ClipBlock:
    block = make_block(SMALL, "cpu", torch.float32)
    attention, mlp = original.self_attn, original.mlp
    three = (attention.q_proj, attention.k_proj, attention.v_proj)
    block.load_state_dict(
        {
            **{f"norm_1.{name}": value for name, value in original.layer_norm1.state_dict().items()},
            **{f"norm_2.{name}": value for name, value in original.layer_norm2.state_dict().items()},
            "qkv.weight": torch.cat([linear.weight for linear in three]),
            "qkv.bias": torch.cat([linear.bias for linear in three]),
            **{f"projection.{name}": value for name, value in attention.out_proj.state_dict().items()},
            "mlp_in.weight": mlp.fc1.weight * QUICK_GELU,
            "mlp_in.bias": mlp.fc1.bias * QUICK_GELU,
            "mlp_out.weight": mlp.fc2.weight / QUICK_GELU,
            "mlp_out.bias": mlp.fc2.bias,
        }
    )
    return block


def test_its_weights_are_always_the_same() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, other = (make_block(SMALL, "cpu", torch.float16) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.qkv.weight, other.qkv.weight)
    assert one.qkv.weight.dtype == torch.float16
