"""Settings of the builder that no finished plan shows, read back from its own configuration."""

from __future__ import annotations

import pytest

from export.engines import BACKENDS
from export.engines.network import make_config

trt = pytest.importorskip("tensorrt_rtx")


def test_tf32_is_off_and_the_targets_are_set():
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    config = make_config(trt, BACKENDS["tensorrt_rtx"], builder, ("sm80", "sm120"))
    assert builder.create_builder_config().get_flag(trt.BuilderFlag.TF32), (
        "on by default, or this shows nothing"
    )
    assert not config.get_flag(trt.BuilderFlag.TF32)
    assert config.num_compute_capabilities == 2
    set_targets = [config.get_compute_capability(index) for index in range(2)]
    assert set_targets == [trt.ComputeCapability.SM80, trt.ComputeCapability.SM120]
