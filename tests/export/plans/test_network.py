"""What no finished plan shows: settings of the builder, and which way each merge went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pitome.errors import BackendError
from pitome.export.plans import BACKENDS
from pitome.export.plans.network import Layer, check_merge_path, count_merges, describe_layer, make_config
from pitome.runtime.tensorrt_plugin import CREATOR

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


def test_a_library_to_embed_can_be_set_by_this_name() -> None:
    """TensorRT-RTX's Python interface is generated from the same source as classic TensorRT's."""
    config = trt.Builder(trt.Logger(trt.Logger.ERROR)).create_builder_config()
    config.plugins_to_serialize = ["/folder/libpitome_plugin.so"]
    assert config.plugins_to_serialize == ["/folder/libpitome_plugin.so"]
    assert hasattr(trt.Runtime, "engine_host_code_allowed")


@pytest.fixture
def function_layers(merged_onnx: Path) -> list[Layer]:
    """The layers that TensorRT-RTX's parser makes of two merges and a Relu between them."""
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    assert trt.OnnxParser(network, logger).parse_from_file(str(merged_onnx))
    return [describe_layer(trt, layer) for layer in network]


PLUGIN_LAYERS = [
    Layer("PLUGIN_V3", "merge_0", "[ONNX Layer: merge_0]", "EnergyMerge"),
    Layer("ACTIVATION", "relu", "[ONNX Layer: relu]"),
    Layer("PLUGIN_V3", "merge_1", "[ONNX Layer: merge_1]", "EnergyMerge"),
]
"""What the parser makes of the same file with the plugin: TensorRT-RTX's does, see test_worker.py."""
OTHER_PLUGINS = [
    Layer("PLUGIN_V3", "EnergyMerge", "[ONNX Layer: EnergyMerge]", "InstanceNormalization_TRT"),
    Layer("PLUGIN_V2", "resize", "[ONNX Layer: resize]"),
]


def test_merges_are_counted_by_their_nodes(function_layers: list[Layer]) -> None:
    assert count_merges(function_layers) == (["merge_0", "merge_1"], [])
    assert count_merges(PLUGIN_LAYERS) == ([], ["merge_0", "merge_1"])
    assert count_merges(OTHER_PLUGINS) == ([], [])
    assert count_merges([*function_layers, *PLUGIN_LAYERS[:1]]) == (["merge_0", "merge_1"], ["merge_0"])


def test_the_way_that_was_asked_for(request_plan: Callable[..., Any], function_layers: list[Layer]) -> None:
    by_function = request_plan(num_merges=2)
    by_plugin = request_plan(num_merges=2, merge_path="plugin")
    assert check_merge_path("a plan", by_function, [*function_layers, *OTHER_PLUGINS]) == "function"
    assert check_merge_path("a plan", by_plugin, [*PLUGIN_LAYERS, *OTHER_PLUGINS]) == "plugin"
    for merge_path in ("function", "plugin"):
        assert check_merge_path("a plan", request_plan(merge_path=merge_path), OTHER_PLUGINS) == "none"


def test_the_other_way_is_an_error(request_plan: Callable[..., Any], function_layers: list[Layer]) -> None:
    def refusal(merge_path: str, layers: list[Layer]) -> str:
        with pytest.raises(BackendError) as error:
            check_merge_path("a plan", request_plan(num_merges=2, merge_path=merge_path), layers)
        return str(error.value)

    asked = "a plan: 2 EnergyMerge nodes were to go by the"
    astray = "merge_0, merge_1 went the other way"
    assert refusal("plugin", function_layers) == (
        f"{asked} plugin, and the parser took 2 by the function's body and 0 by the plugin: {astray}. Export "
        "the ONNX file again, so that every EnergyMerge node has plugin_namespace "
        f'"{CREATOR[2]}" and plugin_version "{CREATOR[1]}", or use MERGE_PATH=function'
    )
    assert refusal("function", PLUGIN_LAYERS) == (
        f"{asked} function, and the parser took 0 by the function's body and 2 by the plugin: {astray}. "
        "Give every EnergyMerge node a name of its own, and load no plugin library"
    )
    assert "took 1 by the function's body and 1 by the plugin: merge_0 went the other way" in refusal(
        "plugin", [layer for layer in function_layers if "merge_0" in layer.metadata] + PLUGIN_LAYERS[1:]
    )
    for one_less in (PLUGIN_LAYERS[1:], PLUGIN_LAYERS[:1]):
        assert "took 0 by the function's body and 1 by the plugin. Export" in refusal("plugin", one_less)
    assert "3 by the plugin. Export" in refusal("plugin", [*PLUGIN_LAYERS, PLUGIN_LAYERS[0]])
