"""What is refused before anything long starts, and in which words."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pitome.errors import BackendError, InputError
from pitome.export.plans import check_request
from pitome.export.plans.tensorrt_rtx import TARGETS
from tests.export.plans.fake_machine import FakeMachine
from tests.export.plans.plugin_files import NO_CREATORS, compile_library

PLUGIN = Path("plugin.so")


def test_a_good_request_passes(request_plan):
    check_request(request_plan(targets=("sm80", "sm86", "sm89", "sm120"), num_merges=12, precision="fp16"))
    check_request(request_plan(targets=("sm75",), num_merges=0, precision="fp16", profile=(3, 3, 3)))


def test_by_the_plugin_tensorrt_rtx_builds_for_sm75_too(
    request_plan: Callable[..., Any], tmp_path: Path
) -> None:
    library = compile_library(tmp_path, NO_CREATORS)
    by_plugin = {"merge_path": "plugin", "plugin": library, "num_merges": 12, "targets": TARGETS}
    check_request(request_plan(**by_plugin, precision="fp16"))
    for precision, text in (("fp32", "FP32 GEMM is not supported"), ("bf16", "sm75 has no bfloat16")):
        with pytest.raises(InputError, match=f"with PRECISION={precision}: .*{text}.*PRECISION=fp16"):
            check_request(request_plan(**by_plugin, precision=precision))


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
        (
            {"targets": ("sm75", "sm80"), "num_merges": 12, "precision": "fp16"},
            r"^TARGETS=sm75,sm80 with MERGE_PATH=function: .*FP32 GEMM is not supported.* Leave sm75 out, "
            r"use MERGE_PATH=plugin, or build without merging \(METHOD=none\)$",
        ),
        ({"targets": ("sm75",), "precision": "bf16"}, r"PRECISION=bf16: sm75 has no bfloat16. Leave sm75"),
        ({"targets": ("sm75",)}, r"TARGETS=sm75 with PRECISION=fp32: .*FP32 GEMM is not supported"),
        ({"targets": ("sm90",)}, r"does not compile for sm90, .* BACKEND=tensorrt on a machine"),
        ({"targets": ("sm80", "SM100")}, r"does not compile for sm100, .* BACKEND=tensorrt on a machine"),
        ({"profile": (0, 1, 2)}, r"PROFILE=0,1,2: the batch sizes are not 1 <= min <= opt <= max"),
        ({"profile": (1, 8, 4)}, r"PROFILE=1,8,4: the batch sizes are not 1 <= min <= opt <= max"),
        ({"profile": (2, 1, 4)}, r"PROFILE=2,1,4: the batch sizes are not"),
        ({"profile": (1, 8)}, r"PROFILE=1,8: it has 2 numbers. Give three batch sizes"),
        ({"precision": "int8"}, r"PRECISION=int8: there is no such precision. Choose fp32, fp16 or bf16"),
        ({"backend": "openvino"}, r"BACKEND=openvino: .* Choose tensorrt_rtx or tensorrt"),
        (
            {"merge_path": "plugin", "plugin": PLUGIN, "num_merges": 1},
            r"^the plugin library plugin.so: there is no such file. Run `make plugin` or `pitome",
        ),
        ({"merge_path": "magic"}, r"MERGE_PATH=magic .* no such merge path. Choose function or plugin"),
        ({"merge_path": "plugin"}, r"no plugin library is named. Name one with PLUGIN="),
        (
            {"plugin": PLUGIN},
            r"^PLUGIN=plugin.so with MERGE_PATH=function with BACKEND=tensorrt_rtx: only MERGE_PATH=plugin "
            r"loads a plugin library. Leave PLUGIN out, or use MERGE_PATH=plugin$",
        ),
        ({"plugin": PLUGIN, "backend": "tensorrt"}, r"only MERGE_PATH=plugin loads a plugin library"),
        ({"embed_plugin": True, "backend": "tensorrt"}, r"^EMBED_PLUGIN=1 with .* Leave EMBED_PLUGIN out"),
    ],
)
def test_refusals(request_plan, changes, message):
    with pytest.raises(InputError, match=message):
        check_request(request_plan(**changes))


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="classic TensorRT is installed")
def test_classic_tensorrt_that_is_missing_names_its_install_command(request_plan):
    with pytest.raises(BackendError, match=r"module tensorrt is not installed. Run pip install '\.\[gpu\]'"):
        check_request(request_plan(backend="tensorrt", targets=()))


def test_classic_tensorrt_names_one_missing_thing_after_the_other(
    request_plan: Callable[..., Any], machine: FakeMachine, tmp_path: Path
) -> None:
    settings = {"backend": "tensorrt", "targets": (), "merge_path": "plugin", "num_merges": 12}
    request = request_plan(**settings, plugin=tmp_path / "libpitome_plugin.so")

    def refusal() -> str:
        with pytest.raises((BackendError, InputError)) as error:
            check_request(request)
        return str(error.value)

    machine.install_tensorrt("10.6.0.26")
    assert refusal() == (
        "MERGE_PATH=plugin with BACKEND=tensorrt: TensorRT 10.6.0.26 is not known to prefer the plugin to "
        "the function's body; 10.7 is the first that is. Install TensorRT 10.7 or newer, or use "
        "MERGE_PATH=function"
    )
    machine.install_tensorrt("10.7.0")
    assert "cuda-python is not installed" in refusal()
    machine.install_driver(status=100)
    assert (
        "TensorRT builds on the GPU it builds for, and no GPU answers here (cudaGetDeviceCount: 100)"
        in refusal()
    )
    machine.install_driver(status=0)
    assert f"the plugin library {request.plugin}: there is no such file. Run `make plugin`" in refusal()
    compile_library(tmp_path, NO_CREATORS).rename(request.plugin)
    check_request(request)


def test_without_merges_or_by_the_function_nothing_is_asked_of_the_plugin(
    request_plan: Callable[..., Any], machine: FakeMachine, tmp_path: Path
) -> None:
    machine.install_tensorrt("10.6.0")
    machine.install_driver(status=0)
    absent = tmp_path / "absent.so"
    check_request(request_plan(backend="tensorrt", targets=(), num_merges=12))
    check_request(request_plan(backend="tensorrt", targets=("sm89",), merge_path="plugin", plugin=absent))
