"""CUDA and TensorRT as far as a plan's runtime calls them, slow and obvious, on the host's memory.

What is above these calls is the real code. Streams only queue: nothing is computed and nothing copied before
the stream is waited for, so that what forgets to wait, or hands out memory too early, is seen. Addresses are
those of real memory, which is filled with 0xEE when it is allocated and when it is freed. A test holds the
names and the numbers of arguments to those of the real modules. It says nothing of what a GPU does.
"""

from __future__ import annotations

import ctypes
import enum
import inspect
import json
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]
Compute = Callable[..., dict[str, Array]]
DTYPES = {"FLOAT": "f4", "HALF": "f2", "BF16": "u2", "INT64": "i8", "INT32": "i4", "BOOL": "?"}
RUNTIME = "cuda.bindings.runtime"


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorNoDevice = 100
    cudaErrorIllegalAddress = 700


OK = cudaError_t.cudaSuccess


@dataclass
class FakeStream:
    queue: list[Callable[[], None]] = field(default_factory=list)
    recording: list[Callable[[], None]] | None = None

    def add(self, work: Callable[[], None]) -> None:
        (self.queue if self.recording is None else self.recording).append(work)


class FakeCuda:
    """Everything behind ``cuda.bindings.runtime``."""

    cudaHostAllocDefault = 0
    cudaStreamNonBlocking = 1
    cudaError_t = cudaError_t
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
    cudaDeviceAttr = SimpleNamespace(
        cudaDevAttrComputeCapabilityMajor="major", cudaDevAttrComputeCapabilityMinor="minor"
    )

    def __init__(self) -> None:
        self.devices = 1
        self.status = OK
        """Of calls that ask for the machine."""
        self.failing: dict[str, cudaError_t] = {}
        """Function -> what its next calls return."""
        self.name, self.capability, self.driver = b"NVIDIA L4", {"major": 8, "minor": 9}, 13000
        self.memory: dict[int, Any] = {}
        self.pinned: set[int] = set()
        self.streams: dict[int, FakeStream] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.events: dict[int, float] = {}
        self.clock = 0.0
        self.calls: list[str] = []
        self._next = 1000
        self._lock = threading.RLock()

    @property
    def held(self) -> dict[str, int]:
        """What was made and not freed."""
        kinds = {"memory": self.memory, "streams": self.streams, "graphs": self.graphs, "events": self.events}
        return {name: len(kind) for name, kind in kinds.items() if kind}

    def new(self, table: dict[int, Any], value: Any) -> int:
        with self._lock:
            self._next += 1
            table[self._next] = value
            return self._next

    def cudaGetDeviceCount(self) -> Any:
        return self.status, self.devices

    def cudaDeviceGetAttribute(self, attr: str, device: int) -> Any:
        return self.status, self.capability[attr]

    def cudaGetDeviceProperties(self, device: int) -> Any:
        return self.status, SimpleNamespace(name=self.name)

    def cudaDriverGetVersion(self) -> Any:
        return self.status, self.driver

    def _allocate(self, size: int) -> int:
        block = (ctypes.c_uint8 * size)(*([0xEE] * size))
        address = ctypes.addressof(block)
        with self._lock:
            self.memory[address] = block
        return address

    def _release(self, address: int) -> Any:
        with self._lock:
            block = self.memory.pop(address, None)
            if block is None:
                return (cudaError_t.cudaErrorInvalidValue,)
            ctypes.memset(address, 0xEE, len(block))
        return (OK,)

    def cudaMalloc(self, size: int) -> Any:
        return OK, self._allocate(size)

    def cudaFree(self, devPtr: int) -> Any:
        return self._release(devPtr)

    def cudaHostAlloc(self, size: int, flags: int) -> Any:
        address = self._allocate(size)
        self.pinned.add(address)
        return OK, address

    def cudaFreeHost(self, ptr: int) -> Any:
        self.pinned.discard(ptr)
        return self._release(ptr)

    def cudaStreamCreateWithFlags(self, flags: int) -> Any:
        return OK, self.new(self.streams, FakeStream())

    def cudaStreamDestroy(self, stream: int) -> Any:
        return (OK if self.streams.pop(stream, None) else cudaError_t.cudaErrorInvalidValue,)

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: int, stream: int) -> Any:
        host = src if kind == 1 else dst
        if host not in self.pinned or any(len(self.memory[each]) < count for each in (dst, src)):
            return (cudaError_t.cudaErrorInvalidValue,)
        self.streams[stream].add(lambda: ctypes.memmove(dst, src, count))
        return (OK,)

    def cudaStreamSynchronize(self, stream: int) -> Any:
        queue, self.streams[stream].queue = self.streams[stream].queue, []
        for work in queue:
            work()
        return (OK,)

    def cudaStreamBeginCapture(self, stream: int, mode: int) -> Any:
        self.streams[stream].recording = []
        return (OK,)

    def cudaStreamEndCapture(self, stream: int) -> Any:
        recorded, self.streams[stream].recording = self.streams[stream].recording, None
        return OK, self.new(self.graphs, recorded)

    def cudaGraphInstantiate(self, graph: int, flags: int) -> Any:
        return OK, self.new(self.graphs, list(self.graphs[graph]))

    def cudaGraphDestroy(self, graph: int) -> Any:
        return (OK if self.graphs.pop(graph, None) is not None else cudaError_t.cudaErrorInvalidValue,)

    def cudaGraphExecDestroy(self, graphExec: int) -> Any:
        return self.cudaGraphDestroy(graphExec)

    def cudaGraphLaunch(self, graphExec: int, stream: int) -> Any:
        for work in self.graphs[graphExec]:
            self.streams[stream].add(work)
        return (OK,)

    def cudaEventCreate(self) -> Any:
        return OK, self.new(self.events, 0.0)

    def cudaEventRecord(self, event: int, stream: int) -> Any:
        def happen() -> None:
            self.events[event] = self.clock

        self.streams[stream].add(happen)
        return (OK,)

    def cudaEventSynchronize(self, event: int) -> Any:
        for stream in list(self.streams):
            self.cudaStreamSynchronize(stream)
        return (OK,)

    def cudaEventElapsedTime(self, start: int, end: int) -> Any:
        return OK, 1e3 * (self.events[end] - self.events[start])

    def cudaEventDestroy(self, event: int) -> Any:
        return (OK if self.events.pop(event, None) is not None else cudaError_t.cudaErrorInvalidValue,)


FUNCTIONS = sorted(
    name
    for name in vars(FakeCuda)
    if name.startswith("cuda") and name[4].isupper() and inspect.isfunction(vars(FakeCuda)[name])
)


class FakeRuntimeModule(ModuleType):
    """``cuda.bindings.runtime``: the calls are counted, and fail where a test wants it."""

    def __init__(self, cuda: FakeCuda) -> None:
        super().__init__(RUNTIME)
        self.cuda = cuda

    def __getattr__(self, name: str) -> Any:
        if name not in FUNCTIONS:
            return getattr(self.cuda, name)

        def called(*arguments: Any) -> Any:
            self.cuda.calls.append(name)
            if name in self.cuda.failing:
                return self.cuda.failing[name], None
            return getattr(self.cuda, name)(*arguments)

        return called


@dataclass(frozen=True)
class FakeTensor:
    name: str
    kind: str
    shape: tuple[int, ...]
    output: bool = False


def fake_plan(
    tensors: tuple[FakeTensor, ...],
    profile: tuple[int, int, int] = (1, 4, 8),
    *,
    version: tuple[int, int, int, int] = (10, 14, 1, 48),
    tag: bytes = b"ftrt",
    seconds: float = 0.001,
    key: str | None = None,
) -> bytes:
    """A plan's header, and behind it what the fake library runs, in so many seconds of the GPU's clock.

    With a key, the function that computes gets it as a further argument.
    """
    told = {"tensors": [vars(each) for each in tensors], "profile": profile, "seconds": seconds, "key": key}
    body = json.dumps(told).encode()
    return struct.pack("<4s12xQ4B", tag, 28 + len(body), *version) + body


class FakeTensorRT(ModuleType):
    """``tensorrt`` or ``tensorrt_rtx``, whose plans compute a function of NumPy arrays."""

    def __init__(self, name: str, version: str, cuda: FakeCuda, compute: Compute) -> None:
        super().__init__(name)
        fake = self
        self.__version__ = version
        self.__spec__ = ModuleSpec(name, None)
        self.deserialised = 0
        self.contexts: list[FakeContext] = []
        self.refuse: str | None = None
        """What the library says instead of deserialising."""

        class ILogger:
            ERROR, WARNING, INFO = 1, 2, 3

            def log(self, severity: int, message: str) -> None:
                raise NotImplementedError

        class Runtime:
            def __init__(self, log: ILogger) -> None:
                self.log, self.engine_host_code_allowed = log, False

            def deserialize_cuda_engine(self, content: bytes) -> FakeEngine | None:
                fake.deserialised += 1
                if fake.refuse:
                    self.log.log(ILogger.ERROR, fake.refuse)
                    return None
                return FakeEngine(fake, content, cuda, compute)

        self.ILogger, self.Runtime = ILogger, Runtime
        self.TensorIOMode = SimpleNamespace(INPUT="input", OUTPUT="output")
        if name == "tensorrt_rtx":
            self.CudaGraphStrategy = SimpleNamespace(DISABLED=0, WHOLE_GRAPH_CAPTURE=1)
            self.DynamicShapesKernelSpecializationStrategy = SimpleNamespace(LAZY=0, EAGER=1)


class FakeEngine:
    def __init__(self, trt: FakeTensorRT, content: bytes, cuda: FakeCuda, compute: Compute) -> None:
        told = json.loads(content[28:])
        tensors = [FakeTensor(**{**each, "shape": tuple(each["shape"])}) for each in told["tensors"]]
        self.trt, self.cuda = trt, cuda
        self.compute = compute if told["key"] is None else partial(compute, told["key"])
        self.tensors, self.profile = {each.name: each for each in tensors}, tuple(told["profile"])
        self.num_io_tensors, self.seconds = len(tensors), told["seconds"]

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name=self.tensors[name].kind)

    def get_tensor_mode(self, name: str) -> str:
        return "output" if self.tensors[name].output else "input"

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name].shape

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        return [(batch, *self.tensors[name].shape[1:]) for batch in self.profile]

    def create_runtime_config(self) -> Any:
        return SimpleNamespace(cuda_graph_strategy=0, dynamic_shapes_kernel_specialization_strategy=0)

    def create_execution_context(self, config: Any = None) -> FakeContext:
        context = FakeContext(self, config)
        self.trt.contexts.append(context)
        return context


class FakeContext:
    def __init__(self, engine: FakeEngine, config: Any) -> None:
        self.engine, self.config = engine, config
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.prepared: tuple[int, ...] = ()
        self.runs = 0
        self.busy = threading.Lock()

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = self.engine.profile
        fits = low <= shape[0] <= high and shape[1:] == self.engine.tensors[name].shape[1:]
        if fits:
            self.shapes[name] = shape
        return fits

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        batches = {shape[0] for shape in self.shapes.values()}
        batch = batches.pop() if len(batches) == 1 else -1
        return tuple(batch if size == -1 else size for size in self.engine.tensors[name].shape)

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.addresses[name] = memory
        return memory in self.engine.cuda.memory

    def execute_async_v3(self, stream_handle: int) -> bool:
        if not self.busy.acquire(blocking=False):
            raise AssertionError("two threads use one context")
        try:
            stream = self.engine.cuda.streams[stream_handle]
            batch = tuple(shape[0] for shape in self.shapes.values())
            # What a new shape needs can't be recorded.
            if stream.recording is not None and self.prepared != batch:
                return False
            self.prepared = batch
            shapes = {name: self.get_tensor_shape(name) for name in self.engine.tensors}
            stream.add(lambda: self._run(shapes))
            return True
        finally:
            self.busy.release()

    def _run(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self.runs += 1
        self.engine.cuda.clock += self.engine.seconds
        there = {
            name: self._memory(name, shape)
            for name, shape in shapes.items()
            if self.addresses[name] in self.engine.cuda.memory
        }
        inputs = {name: there[name].copy() for name in there if not self.engine.tensors[name].output}
        for name, value in self.engine.compute(inputs).items():
            there[name][...] = value

    def _memory(self, name: str, shape: tuple[int, ...]) -> Array:
        block = self.engine.cuda.memory[self.addresses[name]]
        dtype = np.dtype(DTYPES[self.engine.tensors[name].kind])
        return np.frombuffer(block, dtype, int(np.prod(shape))).reshape(shape)


@dataclass
class FakeGpu:
    """The two modules, installed."""

    cuda: FakeCuda
    trt: FakeTensorRT


def install(
    monkeypatch: pytest.MonkeyPatch, compute: Compute, name: str = "tensorrt", version: str = "10.14.1.48"
) -> FakeGpu:
    """Have imports find the fakes."""
    cuda = FakeCuda()
    trt = FakeTensorRT(name, version, cuda, compute)
    monkeypatch.setitem(sys.modules, RUNTIME, FakeRuntimeModule(cuda))
    monkeypatch.setitem(sys.modules, name, trt)
    return FakeGpu(cuda, trt)
