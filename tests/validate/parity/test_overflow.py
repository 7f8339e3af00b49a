"""Precisions that can't hold a model's numbers: said as what it is, and where it begins."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pitome.compression import compress
from pitome.settings import MergeSettings, ScheduleOptions
from pitome.validate.checked_inputs import random_images
from pitome.validate.overflow_text import overflow_text
from pitome.validate.parity.overflow import overflow_of
from pitome.validate.parity.records import Overflow, ParityReport
from pitome.validate.samples import Samples
from pitome.validate.thresholds import Thresholds, judge
from tests.tiny_models import tiny_model
from tests.validate.report.manifest_document import make_document

SAMPLES = Samples({"pixel_values": random_images(2, (3, 32, 32))})
FC2 = "vision_model.encoder.layers.1.mlp.fc2"


def model(factor: float = 1.0, **weights: float) -> torch.nn.Module:
    """A CLIP of 3 layers, merged; the second block's MLP is scaled, and single weights are set."""
    plain: Any = tiny_model("CLIPVisionModelWithProjection", num_hidden_layers=3, image_size=32, patch_size=8)
    with torch.no_grad():
        mlp = plain.vision_model.encoder.layers[1].mlp
        mlp.fc1.weight *= factor
        mlp.fc2.weight *= factor
        for name, value in weights.items():
            plain.get_parameter(name.replace("__", "."))[0] = value
    return compress(plain, ScheduleOptions(ratio=0.8), MergeSettings())


def test_an_ordinary_model_is_finite_in_every_precision() -> None:
    for precision in ("fp32", "fp16", "bf16"):
        assert overflow_of(model(), precision, ("image_embeds",), SAMPLES) is None


def test_half_precision_that_overflows_says_where_and_by_how_much() -> None:
    scaled = model(1000.0)
    found = overflow_of(scaled, "fp16", ("image_embeds",), SAMPLES)
    assert found is not None
    assert (found.module, found.layer, found.in_pytorch) == (FC2, 1, True)
    assert found.reached is not None
    assert found.reached > 65504
    assert overflow_text(found) == (
        f"fp16 overflows in PyTorch as well, first at {FC2} in layer 1, which reaches {found.reached:.3g} in "
        "fp32 where fp16 ends at 65,504: use bf16 or fp32"
    )
    for precision in ("fp32", "bf16"):
        assert overflow_of(scaled, precision, ("image_embeds",), SAMPLES) is None
    assert next(scaled.parameters()).dtype == torch.float32, "the model itself stays as it is"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_that_is_not_finite_by_itself(value: float) -> None:
    broken = model(visual_projection__weight=value)
    found = overflow_of(broken, "fp32", ("image_embeds",), SAMPLES)
    assert found is not None
    assert overflow_text(found) == (
        "the model itself gives numbers that are not finite in fp32, first at visual_projection"
    )


def report(*overflows: Overflow) -> ParityReport:
    return ParityReport.model_validate(make_document()["parity"]).model_copy(update={"overflows": overflows})


def test_an_overflow_is_the_reason_of_the_verdict() -> None:
    found = judge(report(Overflow(precision="fp16", in_pytorch=True)), Thresholds())
    assert (found.verdict, found.reason) == (
        "fail",
        "fp16 overflows in PyTorch as well: use bf16 or fp32",
    )
    alone = judge(report(Overflow(precision="fp16", in_pytorch=False)), Thresholds())
    assert alone.reason == ("the fp16 graph gives numbers that are not finite, and PyTorch in fp16 does not")
