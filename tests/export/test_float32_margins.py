"""Margins that only float32 tells apart: the graph has the number that PyTorch merges by, or none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from pitome.errors import InputError
from pitome.export.onnx import export_onnx
from pitome.methods import Merger, make_method
from pitome.models.families import family_of_type
from pitome.settings import MergeSettings
from tests.compressed import compress_with
from tests.tiny_models import PATCH_SIZE, tiny_images, tiny_model

NARROW = 0.9999999
"""As a float32 1 - 2^-23: the bell is 2^-23 wide."""
AS_FLOAT32 = 1 - 2.0**-23
NARROWEST_OF_A_MODEL = 0.99999
"""The similarity of equal tokens of a whole model is 1 but for a few 2^-24."""
NOT_BELOW_ONE = 0.99999999
"""Below 1 as it is typed, and 1 as a float32."""


def settings(margin: tuple[float, float]) -> MergeSettings:
    return MergeSettings("paper", metric="hidden", energy="gaussian", margin=margin)


def run(path: Path, pixels: Tensor) -> Any:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"pixel_values": pixels.numpy()})[0]


def margins_of(path: Path) -> list[float]:
    nodes = [node for node in onnx.load(path).graph.node if node.op_type == "EnergyMerge"]
    attributes = [
        {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute} for node in nodes
    ]
    return [found["margin"] for found in attributes]


@dataclass
class Output:
    y: Tensor


class OneMerge(nn.Module):
    """Its input is the tokens."""

    def __init__(self, merger: Merger) -> None:
        super().__init__()
        self.merger = merger

    def forward(self, pixel_values: Tensor) -> Output:
        size = torch.ones_like(pixel_values[..., :1])
        numbers = torch.cumsum(size, dim=1)
        return Output(self.merger(numbers.expand_as(pixel_values), pixel_values, size).x)


def test_exact_similarities_at_the_narrowest_bell(tmp_path: Path) -> None:
    """Rows of +-1, so similarities are exact: f is 1 for equal rows and 0 for others.

    Energies are 2/8 for the pair of tokens 1 and 3, 3/8 for 4, 6 and 8, and 1/8 for the others; of the order
    4 6 8 1 the tokens 4 and 8 merge into 6.
    """
    pair, three = [1.0, 1, 1, 1], [1.0, -1, 1, -1]
    others = [[1.0, 1, -1, -1], [-1.0, 1, 1, 1], [1.0, -1, -1, -1]]
    rows = [pair, others[0], pair, three, others[1], three, others[2], three]
    tokens = torch.tensor([[[-1.0, -1, -1, 1], *rows]] * 2)
    merger = make_method(settings((NARROW, 0.0)), family_of_type("clip"), 1).merger(0, 9, 1, 2)
    assert merger is not None
    model, path = OneMerge(merger).eval(), tmp_path / "one.onnx"
    export_onnx(model, path, outputs=("y",), inputs={"pixel_values": tokens})
    merged = model(tokens).y
    # The class token has the number 1 and token i the number i + 1: (5 + 7 + 9) / 3 = 7.
    assert merged[0, :, 0].tolist() == [1, 2, 3, 4, 6, 7, 8]
    np.testing.assert_array_equal(run(path, tokens), merged.numpy())
    assert margins_of(path) == [AS_FLOAT32]


def repeated_patches(images: Tensor, count: int) -> Tensor:
    """The first patch in place of the next ones of the first rows too."""
    side = images.shape[-1] // PATCH_SIZE
    for place in range(1, count):
        top, left = PATCH_SIZE * (place // side), PATCH_SIZE * (place % side)
        images[..., top : top + PATCH_SIZE, left : left + PATCH_SIZE] = images[..., :PATCH_SIZE, :PATCH_SIZE]
    return images


@pytest.mark.full
def test_a_whole_model_at_a_narrow_bell(tmp_path: Path) -> None:
    """Half of the patches are equal, and stay so without positions: it is all one which of them merge."""
    model = tiny_model("ViTForImageClassification")
    with torch.no_grad():
        model.vit.embeddings.position_embeddings.zero_()
    images = repeated_patches(tiny_images(3), 18)
    merged = compress_with(model, r=2, **vars(settings((NARROWEST_OF_A_MODEL, 0.0))))
    path = tmp_path / "model.onnx"
    export_onnx(merged, path, outputs=("logits",))
    with torch.no_grad():
        expected = merged(images).logits
        unmerged = model(images).logits
    np.testing.assert_allclose(run(path, images), expected.numpy(), rtol=0, atol=1e-4)
    # Equal tokens that merge, and count as often as they were, change nothing.
    torch.testing.assert_close(expected, unmerged, rtol=0, atol=1e-3)
    assert margins_of(path) == [float(np.float32(NARROWEST_OF_A_MODEL))] * 4


@pytest.mark.parametrize(
    ("margin", "asked"),
    [
        ((NOT_BELOW_ONE, 0.0), "MARGIN=0.99999999 in layer 0, margin=1.0 with the gaussian energy"),
        ((NOT_BELOW_ONE, 0.5), "MARGIN=0.99999999,0.5 in layer 0, margin=1.0 with the gaussian energy"),
        ((0.5, -2.0), "MARGIN=0.5,-2.0 in layer 1, margin=1.0 with the gaussian energy"),
    ],
)
def test_a_bell_without_width_is_refused_by_the_margin_as_it_was_typed(
    margin: tuple[float, float], asked: str
) -> None:
    with pytest.raises(InputError) as error:
        compress_with(tiny_model("ViTModel"), r=2, **vars(settings(margin)))
    assert str(error.value) == (
        f"{asked}: its width is 1 - margin in float32, which must be positive. Give a margin below 1"
    )


def test_where_nothing_merges_no_margin_is_looked_at() -> None:
    compress_with(tiny_model("ViTModel"), r=(0, 2, 2, 2), **vars(settings((1.0, 0.5))))


@pytest.mark.parametrize("margin", [(1e300, 0.0), (-1025.0, 0.0)])
def test_a_margin_beyond_the_operators_limit_is_refused(margin: tuple[float, float]) -> None:
    with pytest.raises(InputError) as error:
        compress_with(tiny_model("ViTModel"), r=2, margin=margin)
    assert str(error.value).startswith(
        f"MARGIN={margin[0]} in layer 0, margin={margin[0]}: beyond 2^10 = 1024"
    )
