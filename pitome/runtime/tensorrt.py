"""TensorRT and TensorRT-RTX: a plan on the GPU, with PyTorch's tensors as its inputs and outputs.

The same calls serve classic TensorRT from 10.7 on and TensorRT-RTX, but for CUDA graphs: a TensorRT engine
is captured from outside, TensorRT-RTX captures by itself once it has compiled for the shapes.
No plan has run yet: that needs a GPU.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pitome.errors import BackendError, InputError
from pitome.runtime.backends import PlanBackend, find_plan_backend
from pitome.runtime.protocol import DeclaredInput, Inputs, RunResult
from pitome.runtime.pytorch import to_array
from pitome.runtime.tensorrt_plugin import load_plugin
from pitome.text_inputs import TextInputs

_TORCH_TYPES = {
    "FLOAT": torch.float32,
    "HALF": torch.float16,
    "BF16": torch.bfloat16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "BOOL": torch.bool,
    "INT8": torch.int8,
    "UINT8": torch.uint8,
}
_registered: dict[str, tuple[Path, str]] = {}
"""Backend -> the plugin library in its registry and its digest; a registry takes one library of a kind."""


class Engine:
    """One plan, deserialised.

    Args:
        backend: "tensorrt" or "tensorrt_rtx".
        plan: the file.
        plugin: the plugin library to load into this process, for a plan that was built with it and does not
            carry it.
        host_code: allow libraries inside the plan to run, as an embedded plugin needs.
        precision: of the graph that it was built from.
        assignments: those of its outputs that are the decisions of merges, in their order.
        limits: of texts: input -> the first integer that it does not take, as the manifest has it; a plan
            does not say.

    Raises:
        BackendError: the runtime is not installed, finds no GPU, or refuses the plan or the plugin.
        InputError: no such file.
    """

    def __init__(
        self,
        backend: str,
        plan: Path,
        plugin: Path | None = None,
        host_code: bool = False,
        *,
        precision: str = "fp32",
        assignments: Sequence[str] = (),
        limits: Mapping[str, int] | None = None,
    ) -> None:
        found = find_plan_backend(backend)
        self.name, self.precision, self._assignments = found.label, precision, tuple(assignments)
        try:
            self._trt: Any = importlib.import_module(found.module)
        except ImportError as error:
            raise BackendError(
                f"running {plan.name}", f"{found.label} is not installed ({error})", f"Run {found.install}"
            ) from error
        self.asked = f"running {plan.name} with {found.label} {self._trt.__version__}"
        if not plan.is_file():
            raise InputError(self.asked, "there is no such file", "Build the plan first")
        self._log = _make_log(self._trt)
        if plugin is not None:
            _register_plugin(self._trt, found, self.asked, plugin, self._log.errors)
        try:
            self._runtime: Any = self._trt.Runtime(self._log)
        except Exception as error:  # pybind11's TypeError where the library returns no runtime
            raise self._refusal("the runtime does not start") from error
        self._runtime.engine_host_code_allowed = host_code
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan.read_bytes())
        if self._engine is None:
            raise self._refusal("the runtime refuses the plan")
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        self._inputs = tuple(name for name in names if self._is_input(name))
        self._outputs = tuple(name for name in names if name not in self._inputs)
        self.outputs = tuple(name for name in self._outputs if name not in self._assignments)
        shapes = {value.name: value.shape for value in self.inputs}
        self._texts = TextInputs.of_graph(shapes, json.dumps(dict(limits or {})))

    @property
    def inputs(self) -> tuple[DeclaredInput, ...]:
        """As the plan declares them."""
        kinds = {name: self._engine.get_tensor_dtype(name).name for name in self._inputs}
        return tuple(
            DeclaredInput(
                name,
                str(_TORCH_TYPES.get(kind, kind)).removeprefix("torch."),
                tuple(size if size >= 0 else None for size in self._engine.get_tensor_shape(name)),
            )
            for name, kind in kinds.items()
        )

    def run(self, inputs: Inputs) -> RunResult:
        """Run once; errors as those of ``bind`` and ``BoundEngine.enqueue``."""
        bound = self._fed(inputs)
        bound.enqueue()
        torch.cuda.current_stream().synchronize()
        found = {name: to_array(value) for name, value in bound.outputs.items()}
        decided = tuple(found.pop(name) for name in self._assignments)
        return RunResult(found, decided)

    def prepare(self, inputs: Inputs) -> Callable[[], object]:
        """A function that replays it from a CUDA graph and waits; inputs lie on the GPU before."""
        replay = self._fed(inputs).capture()

        def run() -> object:
            replay()
            torch.cuda.current_stream().synchronize()
            return None

        return run

    def _fed(self, inputs: Inputs) -> BoundEngine:
        given = self._texts.prepared(self.asked, inputs)
        bound = self.bind(len(next(iter(given.values()))))
        bound.feed({name: torch.from_numpy(given[name]) for name in self._inputs if name in given})
        return bound

    def _refusal(self, what: str) -> BackendError:
        said = "; ".join(self._log.errors) or "it gives no reason"
        return BackendError(
            self.asked, f"{what}: {said}", "Build the plan again on this machine, and check its driver"
        )

    def bind(self, batch: int) -> BoundEngine:
        """An execution context for one batch size with tensors of its own; inputs are zeros.

        Raises:
            InputError: a batch size outside the plan's profile.
            BackendError: no memory for the context, or a shape or type that is not served here.
        """
        context = self._make_context()
        if context is None:
            raise self._refusal("there is no execution context")
        for name in self._inputs:
            shape = (batch, *tuple(self._engine.get_tensor_shape(name))[1:])
            if not context.set_input_shape(name, shape):
                smallest, _, largest = self._engine.get_tensor_profile_shape(name, 0)
                raise InputError(
                    f"{self.asked} with a batch of {batch}",
                    f"its profile goes from {tuple(smallest)} to {tuple(largest)} for input {name}",
                    "Choose a batch within the plan's profile",
                )
        tensors = {name: self._make_tensor(context, name) for name in (*self._inputs, *self._outputs)}
        for name, tensor in tensors.items():
            if not context.set_tensor_address(name, tensor.data_ptr()):
                raise self._refusal(f"it does not take the tensor {name}")
        return BoundEngine(
            self,
            context,
            {name: tensors[name] for name in self._inputs},
            {name: tensors[name] for name in self._outputs},
        )

    def _make_context(self) -> Any:
        if not self.captures_by_itself:
            return self._engine.create_execution_context()
        config = self._engine.create_runtime_config()
        config.cuda_graph_strategy = self._trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        # Compile for the shapes at once, and not beside the first runs.
        config.dynamic_shapes_kernel_specialization_strategy = (
            self._trt.DynamicShapesKernelSpecializationStrategy.EAGER
        )
        return self._engine.create_execution_context(config)

    @property
    def captures_by_itself(self) -> bool:
        """Whether the runtime makes CUDA graphs of its own, as only TensorRT-RTX does."""
        return hasattr(self._trt, "CudaGraphStrategy")

    def _is_input(self, name: str) -> bool:
        return bool(self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT)

    def _make_tensor(self, context: Any, name: str) -> Tensor:
        kind = self._engine.get_tensor_dtype(name).name
        shape = tuple(context.get_tensor_shape(name))
        if kind not in _TORCH_TYPES or min(shape, default=0) < 0:
            raise BackendError(
                self.asked,
                f"tensor {name} is {kind} of shape {shape}",
                f"Use a plan whose tensors have known shapes and are {', '.join(_TORCH_TYPES)}",
            )
        return torch.zeros(shape, dtype=_TORCH_TYPES[kind], device="cuda")


@dataclass
class BoundEngine:
    """An engine with the tensors that it reads and writes."""

    engine: Engine
    context: Any
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    def feed(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy the values of all inputs in.

        Raises:
            InputError: other names than the engine's.
        """
        if set(tensors) != set(self.inputs):
            raise InputError(
                self.engine.asked,
                f"its inputs are {', '.join(sorted(self.inputs))}, given are {', '.join(sorted(tensors))}",
                "Give every input of the engine",
            )
        for name, tensor in tensors.items():
            self.inputs[name].copy_(tensor)

    def enqueue(self) -> None:
        """Run once on PyTorch's current stream, without waiting.

        Raises:
            BackendError: the runtime refused.
        """
        if not self.context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise BackendError(self.engine.asked, "the runtime did not enqueue it", "Look at its log above")

    def capture(self) -> Callable[[], None]:
        """A function that runs the engine by replaying a CUDA graph on the current stream.

        This context may then be used for nothing else: changing it breaks the graph.
        """
        # Once outside: after a new shape it prepares things that must not be in the graph.
        self.enqueue()
        torch.cuda.synchronize()
        if self.engine.captures_by_itself:
            return self.enqueue
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.enqueue()

        def replay(
            owner: BoundEngine = self,
        ) -> None:  # the tensors and the context live as long as the graph
            graph.replay()

        return replay


def _register_plugin(trt: Any, backend: PlanBackend, asked: str, plugin: Path, errors: Sequence[str]) -> None:
    """Put the plugin library into the process's registry; each bundle has a copy of it, and one is enough.

    Raises:
        InputError: no such file, or another library is registered.
        BackendError: the runtime refuses it.
    """
    if not plugin.is_file():
        raise InputError(asked, f"there is no plugin library {plugin}", "Get the bundle again")
    digest = hashlib.sha256(plugin.read_bytes()).hexdigest()
    before, registered = _registered.get(backend.name, (plugin, digest))
    if registered != digest:
        raise InputError(
            f"{asked} with the plugin library {plugin}",
            f"this process has loaded another one, {before}, and takes no second",
            "Run it in a process of its own, or build both plans with one library",
        )
    if backend.name not in _registered:
        load_plugin(trt, backend, asked, plugin.resolve(), errors)
        _registered[backend.name] = plugin, digest


def _make_log(trt: Any) -> Any:
    """A logger that keeps errors and passes them on to the process's log with the warnings."""

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.WARNING:
                print(f"{severity.name}: {message}", flush=True)
            if severity <= trt.ILogger.ERROR:
                self.errors.append(message.strip())

    return Log()
