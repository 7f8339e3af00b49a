"""What running a plan needs of CUDA, by cuda-python: memory, streams, graphs and events.

Each object frees what it holds when it is closed or forgotten. The first visible GPU is used
(CUDA_VISIBLE_DEVICES says which that is), in the context that every library of the process shares.
Nothing here has run on a GPU yet.
"""

from __future__ import annotations

import ctypes
import importlib
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

MODULE = "cuda.bindings.runtime"


class CudaError(Exception):
    """CUDA refused a call; ``out_of_memory`` where it had no memory left."""

    def __init__(self, function: str, status: Any) -> None:
        self.name = str(getattr(status, "name", status))
        self.out_of_memory = self.name == "cudaErrorMemoryAllocation"
        super().__init__(f"{function}: {self.name}")


def cuda_runtime() -> Any:
    """The module. ImportError where cuda-python is not installed."""
    return importlib.import_module(MODULE)


def call(function: str, *arguments: Any) -> Any:
    """The value of one call, or None.

    Raises:
        CudaError: its status is not success.
    """
    status, *values = getattr(cuda_runtime(), function)(*arguments)
    if int(status) != 0:
        raise CudaError(function, status)
    return values[0] if values else None


def _freed(owner: object, function: str, handle: Any) -> weakref.finalize[Any, Any]:
    """Free a handle once: when ``owner`` is closed or forgotten, not when the process ends."""
    found = weakref.finalize(owner, _free, getattr(cuda_runtime(), function), handle)
    found.atexit = False
    return found


def _free(function: Callable[[Any], Any], handle: Any) -> None:
    function(handle)  # its status is of no use: after an error on the GPU every call fails


class DeviceBuffer:
    """Bytes on the GPU."""

    def __init__(self, num_bytes: int) -> None:
        self.address = int(call("cudaMalloc", max(num_bytes, 1)))
        self.close = _freed(self, "cudaFree", self.address)


class PinnedArray:
    """Host memory that the GPU copies from and to by itself, as an array.

    Args:
        shape: of the array.
        dtype: of the array; the memory holds zeros first.
    """

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        num_bytes = max(int(np.prod(shape)) * np.dtype(dtype).itemsize, 1)
        self.address = int(call("cudaHostAlloc", num_bytes, cuda_runtime().cudaHostAllocDefault))
        self.close = _freed(self, "cudaFreeHost", self.address)
        memory = memoryview((ctypes.c_uint8 * num_bytes).from_address(self.address))
        flat: npt.NDArray[Any] = np.frombuffer(memory, dtype, int(np.prod(shape)))
        self.values = flat.reshape(shape)
        self.values[...] = 0


class Event:
    """A moment of a stream."""

    def __init__(self) -> None:
        self.handle = call("cudaEventCreate")
        self.close = _freed(self, "cudaEventDestroy", self.handle)


class Graph:
    """Work of a stream, recorded, to be launched as one."""

    def __init__(self, recorded: Any) -> None:
        try:
            self.handle = call("cudaGraphInstantiate", recorded, 0)
        finally:
            call("cudaGraphDestroy", recorded)
        self.close = _freed(self, "cudaGraphExecDestroy", self.handle)


class Stream:
    """Work in order, beside that of other streams."""

    def __init__(self) -> None:
        flag = cuda_runtime().cudaStreamNonBlocking
        self.handle = call("cudaStreamCreateWithFlags", flag)
        self.close = _freed(self, "cudaStreamDestroy", self.handle)

    def __int__(self) -> int:
        return int(self.handle)

    def copy_in(self, target: DeviceBuffer, source: PinnedArray, num_bytes: int) -> None:
        """Enqueue a copy from the host; the host's values must stay until the stream has come so far."""
        kind = cuda_runtime().cudaMemcpyKind.cudaMemcpyHostToDevice
        call("cudaMemcpyAsync", target.address, source.address, num_bytes, kind, self.handle)

    def copy_out(self, target: PinnedArray, source: DeviceBuffer, num_bytes: int) -> None:
        """Enqueue a copy to the host, whose values are there when the stream has come so far."""
        kind = cuda_runtime().cudaMemcpyKind.cudaMemcpyDeviceToHost
        call("cudaMemcpyAsync", target.address, source.address, num_bytes, kind, self.handle)

    def wait(self) -> None:
        """Until all that was enqueued is done; what failed on the way is raised here."""
        call("cudaStreamSynchronize", self.handle)

    @contextmanager
    def capture(self) -> Iterator[list[Graph]]:
        """Record what is enqueued within, instead of running it; the graph stands in the list behind."""
        found: list[Graph] = []
        # Thread-local: another thread's allocations do not end it.
        mode = cuda_runtime().cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        call("cudaStreamBeginCapture", self.handle, mode)
        try:
            yield found
        except BaseException:
            cuda_runtime().cudaStreamEndCapture(self.handle)
            raise
        found.append(Graph(call("cudaStreamEndCapture", self.handle)))

    def launch(self, graph: Graph) -> None:
        """Enqueue a graph."""
        call("cudaGraphLaunch", graph.handle, self.handle)

    def seconds(self, enqueue: Callable[[], object], count: int) -> float:
        """Seconds that so many runs take back to back, by the GPU's clock."""
        start, stop = Event(), Event()
        call("cudaEventRecord", start.handle, self.handle)
        for _ in range(count):
            enqueue()
        call("cudaEventRecord", stop.handle, self.handle)
        call("cudaEventSynchronize", stop.handle)
        return float(call("cudaEventElapsedTime", start.handle, stop.handle)) / 1e3
