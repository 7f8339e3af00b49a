"""A plan, deserialised: the runtime of `pitome.runtime.protocol` for TensorRT and TensorRT-RTX.

The same calls serve classic TensorRT from 10.7 on and TensorRT-RTX, but for CUDA graphs: a TensorRT context
is recorded from outside, TensorRT-RTX records by itself once it has compiled for the shapes.
No plan has run yet: that needs a GPU.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pitome.errors import BackendError, BundleError, InputError, PitomeError
from pitome.runtime.backends import PlanBackend
from pitome.runtime.plans.cuda import CudaError
from pitome.runtime.plans.lanes import Lane, Lanes, RefusedError, Tensor, shapes_of
from pitome.runtime.plans.tensors import STORED, declared_type, store
from pitome.runtime.protocol import Array, DeclaredInput, Inputs, RunResult
from pitome.text_inputs import TextInputs

if TYPE_CHECKING:
    from pitome.runtime.plans.opening import PlanOptions

SAMPLE_SECONDS = 0.01
"""How long one timing of a plan lasts at least: the GPU's clock has steps, and a launch has a beginning."""
MOST_RUNS = 1000


class PlanEngine:
    """One plan in memory. ``open_plan`` makes it, after its checks.

    Args:
        trt: the imported module.
        log: a logger of it, which keeps errors.
        asked: what an error begins with.
        backend: which library it is.
        content: the plan.
        options: how it is run.

    Raises:
        BackendError: the library refuses the plan or does not start.
        BundleError: its profile is not the recorded one.
    """

    def __init__(
        self, trt: Any, log: Any, asked: str, backend: PlanBackend, content: bytes, options: PlanOptions
    ) -> None:
        self.name, self.precision, self.asked = backend.label, options.precision, asked
        self._trt, self._log, self._options = trt, log, options
        try:
            self._runtime: Any = trt.Runtime(log)
        except Exception as error:  # pybind11's TypeError where the library returns no runtime
            raise self._refusal("the runtime does not start") from error
        self._runtime.engine_host_code_allowed = options.host_code
        self._engine: Any = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            raise self._refusal("the runtime refuses the plan")
        tensors = [self._tensor(index) for index in range(self._engine.num_io_tensors)]
        self._inputs = tuple(tensor for tensor in tensors if self._is_input(tensor))
        self._outputs = tuple(tensor for tensor in tensors if tensor not in self._inputs)
        self._check_tensors()
        self.outputs = tuple(each.name for each in self._outputs if each.name not in options.assignments)
        self.profile = self._profile()
        limits = json.dumps(dict(options.limits or {}))
        self._texts = TextInputs.of_graph({each.name: each.shape for each in self._inputs}, limits)
        self._lanes = Lanes(self._make_lane, options.contexts, asked)

    @property
    def inputs(self) -> tuple[DeclaredInput, ...]:
        """As the plan declares them."""
        return tuple(
            DeclaredInput(
                each.name,
                declared_type(each.kind),
                tuple(size if size >= 0 else None for size in each.shape),
            )
            for each in self._inputs
        )

    @property
    def captures_by_itself(self) -> bool:
        """Whether the runtime makes CUDA graphs of its own, as only TensorRT-RTX does."""
        return hasattr(self._trt, "CudaGraphStrategy")

    @property
    def how(self) -> str:
        """How a run is launched, as reports say it."""
        if not self._options.cuda_graphs:
            return "launched"
        return "the runtime's own CUDA graph" if self.captures_by_itself else "CUDA graph"

    def run(self, inputs: Inputs) -> RunResult:
        """Run once, or where there are more inputs than the profile's largest batch, as often as it takes.

        Fewer than its smallest are filled up with the last one, which is taken off again. May be called by
        several threads.

        Raises:
            InputError: inputs that the plan does not take.
            BackendError: the runtime or CUDA refused, or the plan was closed.
        """
        given, count = self._checked(inputs)
        smallest, _, largest = self.profile
        parts = []
        for start in range(0, count, largest):
            rows = {name: values[start : start + largest] for name, values in given.items()}
            real = min(largest, count - start)
            parts.append((real, self._run_batch(rows, self._padded(max(real, smallest)))))
        found = {
            name: np.concatenate([outputs[name][:real] for real, outputs in parts])
            if len(parts) > 1
            else parts[0][1][name][: parts[0][0]]
            for name in parts[0][1]
        }
        return RunResult(found, tuple(found.pop(name) for name in self._options.assignments))

    def prepare(self, inputs: Inputs) -> PreparedPlan:
        """A run on inputs that lie on the GPU, in a context of its own.

        Raises:
            InputError: inputs that the plan does not take, or a batch that is not within its profile.
            BackendError: the runtime or CUDA refused.
        """
        given, count = self._checked(inputs)
        smallest, _, largest = self.profile
        if not smallest <= count <= largest:
            raise InputError(
                f"{self.asked} with a batch of {count}",
                f"its profile goes from {smallest} to {largest}",
                "Choose a batch within the plan's profile",
            )
        with self.failures():
            lane = self._make_lane()
            lane.bind(count)
            self._fill(lane, given)
            lane.feed()
            return PreparedPlan(self, lane)

    def close(self) -> None:
        """Free what is on the GPU; runs that go on finish first. Later ones are refused."""
        self._lanes.close()

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Errors of CUDA and of the library within, as BackendError."""
        try:
            yield
        except CudaError as error:
            remedy = "Check the GPU with nvidia-smi, then open the bundle again in a new process"
            if error.out_of_memory:
                remedy = "Choose a smaller batch or fewer contexts, or close what else uses the GPU"
            raise BackendError(self.asked, f"CUDA refused ({error})", remedy) from error
        except RefusedError as error:
            raise self._refusal(str(error)) from error

    def _run_batch(self, rows: dict[str, Array], batch: int) -> dict[str, Array]:
        with self.failures(), self._lanes.lane(batch) as lane:
            self._fill(lane, rows)
            lane.feed()
            lane.launch()
            return lane.fetch()

    def _fill(self, lane: Lane, rows: dict[str, Array]) -> None:
        for tensor in self._inputs:
            host, values = lane.host(tensor.name), rows[tensor.name]
            store(tensor.kind, host[: len(values)], values)
            host[len(values) :] = host[len(values) - 1]

    def _padded(self, batch: int) -> int:
        """With CUDA graphs a size of the profile, because each other size would need a graph."""
        if not self._options.cuda_graphs:
            return batch
        return next(size for size in sorted(self.profile) if size >= batch)

    def _checked(self, inputs: Inputs) -> tuple[dict[str, Array], int]:
        """Every input of the plan as an array of its own shape, and how many there are of each."""
        given = self._texts.prepared(self.asked, inputs)
        lacking = [each.name for each in self._inputs if each.name not in given]
        if lacking:
            names = ", ".join(each.name for each in self._inputs)
            raise InputError(
                self.asked,
                f"its inputs are {names}, given are {', '.join(given) or 'none'}",
                "Give every input of the plan",
            )
        found = {each.name: np.asarray(given[each.name]) for each in self._inputs}
        for each in self._inputs:
            self._check_values(each, found[each.name])
        counts = {len(values) for values in found.values()}
        if len(counts) > 1 or counts == {0}:
            raise InputError(
                self.asked, f"given are {shapes_of(found)}", "Give each input as many rows, at least one"
            )
        return found, counts.pop()

    def _check_values(self, tensor: Tensor, values: Array) -> None:
        wanted = list(tensor.shape[1:])
        if values.ndim != len(tensor.shape) or list(values.shape[1:]) != wanted:
            raise InputError(
                self.asked,
                f"its input {tensor.name} has the shape {list(values.shape)}, and the plan takes "
                f"[B, {', '.join(map(str, wanted))}]",
                "Prepare the inputs as the manifest says",
            )
        stored = np.dtype(np.float32) if tensor.kind == "BF16" else STORED[tensor.kind]
        if not np.can_cast(values.dtype, stored, casting="same_kind"):
            raise InputError(
                self.asked,
                f"its input {tensor.name} is {values.dtype}, and the plan takes {declared_type(tensor.kind)}",
                f"Give {tensor.name} as {declared_type(tensor.kind)}",
            )

    def _make_lane(self) -> Lane:
        record = self._options.cuda_graphs and not self.captures_by_itself
        context = self._make_context()
        if context is None:
            raise RefusedError("there is no execution context")
        return Lane(context, self._inputs, self._outputs, self.profile[2], record)

    def _make_context(self) -> Any:
        if not self.captures_by_itself:
            return self._engine.create_execution_context()
        config = self._engine.create_runtime_config()
        if self._options.cuda_graphs:
            config.cuda_graph_strategy = self._trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        # Compile for a new batch at once: kernels that are exchanged beside the first runs would round
        # differently, and two runs of one input would differ.
        config.dynamic_shapes_kernel_specialization_strategy = (
            self._trt.DynamicShapesKernelSpecializationStrategy.EAGER
        )
        return self._engine.create_execution_context(config)

    def _tensor(self, index: int) -> Tensor:
        name = self._engine.get_tensor_name(index)
        kind = self._engine.get_tensor_dtype(name).name
        return Tensor(name, kind, tuple(self._engine.get_tensor_shape(name)))

    def _is_input(self, tensor: Tensor) -> bool:
        return bool(self._engine.get_tensor_mode(tensor.name) == self._trt.TensorIOMode.INPUT)

    def _check_tensors(self) -> None:
        """Only the batch may be dynamic; types that NumPy can hold."""
        for each in (*self._inputs, *self._outputs):
            if each.kind not in STORED or not each.shape or min(each.shape[1:], default=0) < 0:
                raise BackendError(
                    self.asked,
                    f"tensor {each.name} is {each.kind} of shape {each.shape}",
                    f"Use a plan where only the batch is dynamic, and types are {', '.join(STORED)}",
                )

    def _profile(self) -> tuple[int, int, int]:
        """Smallest, typical and largest batch of the plan."""
        first = self._inputs[0]
        if first.shape[0] >= 0:
            found = (first.shape[0],) * 3
        else:
            low, middle, high = self._engine.get_tensor_profile_shape(first.name, 0)
            found = (int(low[0]), int(middle[0]), int(high[0]))
        recorded = self._options.profile
        if recorded is not None and tuple(recorded) != found:
            raise BundleError(
                self.asked,
                f"the plan is for batches of {_told(found)}, and the manifest says {_told(recorded)}",
                "Get the bundle again, or run `pitome build`",
            )
        return found

    def _refusal(self, what: str) -> PitomeError:
        said = "; ".join(self._log.errors) or "it gives no reason"
        return BackendError(
            self.asked, f"{what}: {said}", "Build the plan again on this machine, and check its driver"
        )


class PreparedPlan:
    """One batch on the GPU, to be run again and again: for measuring."""

    def __init__(self, engine: PlanEngine, lane: Lane) -> None:
        self._engine, self._lane = engine, lane
        self._count: int | None = None

    def __call__(self) -> None:
        """Run once and wait."""
        with self._engine.failures():
            self._lane.launch()
            self._lane.stream.wait()

    def outputs(self) -> dict[str, Array]:
        """Run once; what it computed, decisions too."""
        with self._engine.failures():
            self._lane.launch()
            return self._lane.fetch()

    def seconds_of(self, count: int) -> float:
        """Seconds of so many runs back to back, between two CUDA events."""
        with self._engine.failures():
            return self._lane.stream.seconds(self._lane.launch, count)

    def seconds(self) -> float:
        """Seconds of one run, by CUDA events: the mean of as many back to back as take 10 ms."""
        if self._count is None:
            self()  # records the graph
            one = self.seconds_of(1)
            self._count = min(max(1, math.ceil(SAMPLE_SECONDS / max(one, 1e-9))), MOST_RUNS)
        return self.seconds_of(self._count) / self._count

    def close(self) -> None:
        """Free its memory on the GPU."""
        self._lane.close()


def _told(profile: tuple[int, int, int]) -> str:
    return "/".join(map(str, profile))
