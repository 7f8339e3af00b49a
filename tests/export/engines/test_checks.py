"""What is refused before anything long starts, and in which words."""

from __future__ import annotations

import importlib.util

import pytest

from export.engines import check_request
from export.engines.tensorrt_rtx import TARGETS
from pitome.errors import BackendError, InputError


def test_a_good_request_passes(request_plan):
    check_request(request_plan(targets=("sm80", "sm86", "sm89", "sm120"), num_merges=12, precision="fp16"))
    check_request(request_plan(targets=("sm75",), num_merges=0, precision="fp16", profile=(3, 3, 3)))


def test_targets_are_lowered_and_repeats_dropped(request_plan):
    assert request_plan(targets=("SM89", "sm80", "sm89")).targets == ("sm89", "sm80")


def test_the_written_down_targets_are_those_of_the_library():
    trt = pytest.importorskip("tensorrt_rtx")
    offered = {name.lower() for name in trt.ComputeCapability.__members__} - {"none", "current"}
    assert set(TARGETS) == offered


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": ()}, r"TARGETS is empty: .* Name at least one of sm75, sm80, sm86"),
        ({"targets": ("sm80", "sm81")}, r"TARGETS=sm80,sm81: 'sm81' is not a GPU architecture"),
        ({"targets": ("ada",)}, r"'ada' is not .* Choose from sm75, sm80, sm86, sm89, sm120, sm121"),
        ({"targets": ("sm75", "sm80"), "num_merges": 12}, r"FP32 GEMM is not supported.* Leave sm75 out"),
        ({"targets": ("sm75",)}, r"TARGETS=sm75 with PRECISION=fp32: .*FP32 GEMM is not supported"),
        ({"targets": ("sm90",)}, r"does not compile for sm90, .* BACKEND=tensorrt on a machine"),
        ({"targets": ("sm80", "SM100")}, r"does not compile for sm100, .* BACKEND=tensorrt on a machine"),
        ({"profile": (0, 1, 2)}, r"PROFILE=0,1,2: the batch sizes are not 1 <= min <= opt <= max"),
        ({"profile": (1, 8, 4)}, r"PROFILE=1,8,4: the batch sizes are not 1 <= min <= opt <= max"),
        ({"profile": (2, 1, 4)}, r"PROFILE=2,1,4: the batch sizes are not"),
        ({"profile": (1, 8)}, r"PROFILE=1,8: it has 2 numbers. Give three batch sizes"),
        ({"precision": "int8"}, r"PRECISION=int8: there is no such precision. Choose fp32, fp16 or bf16"),
        ({"backend": "openvino"}, r"BACKEND=openvino: .* Choose tensorrt_rtx or tensorrt"),
        ({"merge_path": "plugin"}, r"TensorRT-RTX has no plugin layers. Use the merge path 'function'"),
        ({"merge_path": "plugin", "backend": "tensorrt"}, r"the plugin is not built yet"),
        ({"merge_path": "magic"}, r"there is no such merge path"),
    ],
)
def test_refusals(request_plan, changes, message):
    with pytest.raises(InputError, match=message):
        check_request(request_plan(**changes))


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="classic TensorRT is installed")
def test_classic_tensorrt_that_is_missing_names_its_install_command(request_plan):
    with pytest.raises(BackendError, match=r"module tensorrt is not installed. Run pip install -e \.\[gpu\]"):
        check_request(request_plan(backend="tensorrt", targets=()))
