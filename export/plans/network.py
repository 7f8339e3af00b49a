"""ONNX file to serialised plan, written once for every builder with TensorRT's Python interface.

The plain interface is used instead of Polygraphy's loaders: those turn the parser's errors into log text,
and here each one is wanted with its node. ``trt`` is the backend's imported module throughout.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pitome.errors import BackendError, InputError
from pitome.export.plans.base import Backend, PlanRequest
from pitome.runtime.tensorrt_plugin import MERGE_OPERATOR, load_plugin

StepReport = Callable[[str, int, int], bool]
"""Called as ``report(phase, done, total)``; returns False where the build is to stop."""


class Built(NamedTuple):
    """A serialised plan (a buffer) and what was counted on the way."""

    plan: Any
    merge_path: str
    num_layers: int


class Layer(NamedTuple):
    """What is asked of a layer of a parsed network; ``plugin`` is the name of the plugin that it runs."""

    type: str
    name: str
    metadata: str
    plugin: str = ""


def build_network(
    trt: Any, backend: Backend, request: PlanRequest, targets: tuple[str, ...], report: StepReport
) -> Built:
    """Parse, check which way the merges went, and compile.

    Raises:
        BackendError: the parser or the builder refused the model or the plugin; every message is in the text.
        InputError: the profile or a target does not fit the model.
    """
    asked = f"a {backend.label} {trt.__version__} plan of {request.onnx.name} for {', '.join(targets)}"
    logger = _make_logger(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(_strongly_typed(trt))
    if request.needs_plugin:
        assert request.plugin is not None  # check_plugin_choice
        load_plugin(trt, asked, request.plugin, logger.errors)
    report("Parsing the ONNX file", 0, 1)
    _parse(trt, backend, asked, request, network, logger)
    merge_path = check_merge_path(asked, request, [describe_layer(trt, layer) for layer in network])
    report("Parsing the ONNX file", 1, 1)

    config = make_config(trt, backend, builder, targets)
    if request.needs_plugin and request.embed_plugin:
        # NVIDIA's header speaks of version-compatible plans only; trtexec offers it for any plan.
        config.plugins_to_serialize = [str(request.plugin)]
    config.progress_monitor = _make_progress_monitor(trt, report)
    _add_profile(builder, config, network, request)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(
            asked,
            "the builder stopped with",
            "Change TARGETS or PRECISION, or report the model and these lines as a bug",
            _as_list(logger.errors),
        )
    return Built(memoryview(plan).cast("B"), merge_path, network.num_layers)


def make_config(trt: Any, backend: Backend, builder: Any, targets: tuple[str, ...]) -> Any:
    """Make the builder configuration: the targets, and no TF32."""
    config = builder.create_builder_config()
    # On by default, and it rounds float32 factors to 10 bits: enough to change merge decisions.
    config.clear_flag(trt.BuilderFlag.TF32)
    backend.set_targets(trt, config, targets)
    return config


def _strongly_typed(trt: Any) -> int:
    # TensorRT 11 knows nothing but strong typing, and may drop the flag.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(trt: Any, backend: Backend, asked: str, request: PlanRequest, network: Any, logger: Any) -> None:
    parser = trt.OnnxParser(network, logger)
    # TensorRT 10.15 and later have it. The nodes name the plugin, so that it should be taken without too.
    override = getattr(trt.OnnxParserFlag, "ENABLE_PLUGIN_OVERRIDE", None)
    if request.needs_plugin and override is not None:
        parser.set_flag(override)
    # From the file, not from bytes: external data is found beside it.
    parsed = parser.parse_from_file(str(request.onnx))
    errors = [_describe(backend, parser.get_error(index)) for index in range(parser.num_errors)]
    if parsed and not errors:
        return
    if any(parser.get_error(index).node() >= 0 for index in range(parser.num_errors)):
        remedy = "Replace these operators in the model, or report the model and these lines as a bug"
    else:
        # An error of the whole file: only the log says which file of external data could not be opened.
        errors = logger.errors or errors
        remedy = "Check that the ONNX file and the data beside it are whole, or export them again"
    raise BackendError(asked, "the ONNX parser refused", remedy, _as_list(errors))


def _describe(backend: Backend, error: Any) -> str:
    """Say what one parser error is about: the node, its operator, the functions around it, the reason."""
    # An operator that nobody knows falls through to a search for a plugin; the parser's own words
    # ("creator && Plugin not found") are about that search.
    unknown = error.func() == "checkFallbackPluginImporter"
    reason = f"{backend.label} does not know this operator" if unknown else error.desc()
    if error.node() < 0:
        return reason
    inside = "".join(f" in {caller}" for caller in error.local_function_stack())
    return f"node {error.node()} {error.node_name()!r} ({error.node_operator()}){inside}: {reason}"


def check_merge_path(asked: str, request: PlanRequest, layers: Iterable[Layer]) -> str:
    """Return the way that the merges of a parsed network went: ``"function"``, ``"plugin"`` or ``"none"``.

    Raises:
        BackendError: not every merge, or one too many, went the way that was asked for.
    """
    by_function, by_plugin = count_merges(layers)
    as_asked, otherwise = (by_function, by_plugin)
    remedy = "Give every EnergyMerge node a name of its own, and load no plugin library"
    if request.merge_path == "plugin":
        as_asked, otherwise = (by_plugin, by_function)
        remedy = (
            'Export the ONNX file again, so that every EnergyMerge node has plugin_namespace "pitome" and '
            'plugin_version "1", or use MERGE_PATH=function'
        )
    if len(as_asked) == request.num_merges and not otherwise:
        return request.merge_path if as_asked else "none"
    names = f": {', '.join(otherwise)} went the other way" if otherwise else ""
    raise BackendError(
        asked,
        f"{request.num_merges} {MERGE_OPERATOR} nodes were to go by the {request.merge_path}, and the parser "
        f"took {len(by_function)} by the function's body and {len(by_plugin)} by the plugin{names}",
        remedy,
    )


def count_merges(layers: Iterable[Layer]) -> tuple[list[str], list[str]]:
    """Return the names of the merges that went by the function's body, and by the plugin.

    A layer made from a function's body names the call in its metadata:
    ``[ONNX Layer: <node of the body> | <calling node> (EnergyMerge)]``. That was seen with TensorRT-RTX.
    A plugin's layer has the type ``PLUGIN_V3`` and the node's name: so TensorRT documents it, and no classic
    TensorRT has run this yet.
    """
    by_function: dict[str, None] = {}  # many layers of one call, in order
    by_plugin = []
    for layer in layers:
        by_function.update(dict.fromkeys(re.findall(rf"\| ([^|]*?) \({MERGE_OPERATOR}\)", layer.metadata)))
        if layer.type == "PLUGIN_V3" and layer.plugin == MERGE_OPERATOR:
            by_plugin.append(layer.name)
    return list(by_function), by_plugin


def describe_layer(trt: Any, layer: Any) -> Layer:
    """Ask a layer of a parsed network what :func:`count_merges` wants to know."""
    plugin = ""
    if layer.type.name == "PLUGIN_V3":
        layer.__class__ = trt.IPluginV3Layer  # a network hands out every layer as an ILayer
        plugin = layer.plugin.get_capability_interface(trt.PluginCapabilityType.CORE).plugin_name
    return Layer(layer.type.name, layer.name, layer.metadata, plugin)


def _add_profile(builder: Any, config: Any, network: Any, request: PlanRequest) -> None:
    """Set the batch range on every input whose first dimension is dynamic."""
    asked = f"PROFILE={','.join(str(batch) for batch in request.profile)}"
    profile = builder.create_optimization_profile()
    num_dynamic = 0
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        first, *rest = tuple(tensor.shape) or (1,)
        if min(rest, default=1) < 0:
            raise InputError(
                asked,
                f"input {tensor.name!r} has the shape {tuple(tensor.shape)}, and only the batch, its first "
                "dimension, may be dynamic (-1)",
                "Export the model with static tokens and a dynamic batch",
            )
        if first < 0:
            profile.set_shape(tensor.name, *((batch, *rest) for batch in request.profile))
            num_dynamic += 1
    if not num_dynamic and request.profile[0] != request.profile[2]:
        raise InputError(
            asked,
            f"no input of {request.onnx.name} has a dynamic batch",
            "Export the model with a dynamic batch, or give its batch three times",
        )
    if num_dynamic and config.add_optimization_profile(profile) < 0:
        raise InputError(
            asked, f"the builder refused it for {request.onnx.name}", "Choose another range of batches"
        )


def _make_logger(trt: Any) -> Any:
    """Make a logger that passes warnings to the process's stderr and keeps the errors."""

    class BuildLogger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.WARNING:
                # A full disk must not raise through C++.
                with contextlib.suppress(OSError):
                    print(f"{severity.name}: {message}", flush=True)
            # Cleaning up after an error without a driver adds "cudaError 35" to it, which explains nothing.
            if severity <= trt.ILogger.ERROR and "cudaError 35" not in message and message not in self.errors:
                self.errors.append(message)

    return BuildLogger()


def _make_progress_monitor(trt: Any, report: StepReport) -> Any:
    """Make a monitor that reports every step of every phase, and stops the build where it is told to."""

    class ProgressMonitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.totals: dict[str, int] = {}

        def phase_start(self, phase: str, parent: str | None, num_steps: int) -> None:
            self.totals[phase] = num_steps
            report(phase, 0, num_steps)

        def step_complete(self, phase: str, step: int) -> bool:
            total = self.totals.get(phase, step + 2)
            # The end of a phase is reported once, by phase_finish.
            return report(phase, min(step + 1, max(total - 1, 0)), total)

        def phase_finish(self, phase: str) -> None:
            total = self.totals.pop(phase, 1)
            report(phase, total, total)

    return ProgressMonitor()


def _as_list(lines: list[str]) -> list[str]:
    return [f"- {line.strip().rstrip('.')}" for line in lines or ["no reason given"]]
