"""A model that half precision, or no precision, can hold ends in one message and no bundle."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.cli.command_line import pitome
from tests.cli.conftest import SIZES
from tests.tiny_models import tiny_model


def saved(folder: Path, factor: float) -> Path:
    """A checkpoint whose second block's MLP is scaled."""
    model = tiny_model("CLIPVisionModelWithProjection", **SIZES)
    with torch.no_grad():
        mlp = model.vision_model.encoder.layers[1].mlp
        mlp.fc1.weight *= factor
        mlp.fc2.weight *= factor
    model.save_pretrained(folder / "scaled")
    return folder / "scaled"


def test_half_precision_is_refused_before_its_graph_is_written(tmp_path: Path) -> None:
    folder, out = saved(tmp_path, 1000.0), tmp_path / "build"
    outcome = pitome("export", folder, "--out", out, "--precision", "fp16")
    assert outcome.code == 1
    for part in (
        "error: scaled in fp16: fp16 overflows in PyTorch as well, first at "
        "vision_model.encoder.layers.1.mlp.fc2 in layer 1, which reaches ",
        "in fp32 where fp16 ends at 65,504: use bf16 or fp32. Nothing was published. "
        "Build with PRECISION=bf16 or PRECISION=fp32",
    ):
        assert part in outcome.message
    assert "Export model.fp16.onnx" not in outcome.err
    assert not (out / "scaled").exists()
    assert pitome("export", folder, "--out", out, "--precision", "fp32").code == 0


def test_a_model_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    """Its weights are finite, what they lead to is not."""
    folder = saved(tmp_path, 1e22)
    outcome = pitome("export", folder, "--out", tmp_path / "build", "--precision", "fp32")
    assert outcome.code == 1
    assert "the model itself gives numbers that are not finite in fp32, first at " in outcome.message
    assert not (tmp_path / "build" / "scaled").exists()
