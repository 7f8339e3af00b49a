"""Where a plan runs: lanes, each with an execution context, a stream and memory of its own, out of a pool.

An execution context serves one thread at a time, and one stream. So a lane is lent to one caller, and as many
callers run at once as the pool has lanes; further ones wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pitome.errors import BackendError
from pitome.runtime.plans.cuda import CudaError, DeviceBuffer, Graph, PinnedArray, Stream
from pitome.runtime.plans.tensors import STORED, loaded

if TYPE_CHECKING:
    from pitome.runtime.protocol import Array


class RefusedError(Exception):
    """The library refused a call; its log has the reason, if there is one."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a plan."""

    name: str
    kind: str
    """TensorRT's name of its type, such as "HALF"."""
    shape: tuple[int, ...]
    """As the plan declares it; -1 where it is dynamic."""


@dataclass(frozen=True)
class Memory:
    """The memory of one tensor, for the largest batch."""

    device: DeviceBuffer
    host: PinnedArray


class Lane:
    """One execution context with its stream and its memory, bound to one batch size at a time.

    Args:
        context: an execution context that nothing else uses.
        inputs: of the plan.
        outputs: of the plan.
        largest: the largest batch that is ever bound.
        record: replay a CUDA graph that is recorded here. Not where the context makes graphs by itself.

    Raises:
        CudaError: no memory, or no stream.
        RefusedError: the context does not take the batch, or does not know a shape.
    """

    def __init__(
        self,
        context: Any,
        inputs: tuple[Tensor, ...],
        outputs: tuple[Tensor, ...],
        largest: int,
        record: bool,
    ) -> None:
        self._context, self._inputs, self._outputs, self._record = context, inputs, outputs, record
        self.stream = Stream()
        self._graph: Graph | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._set_shapes(largest)
        self._memory = {tensor.name: self._allocate(tensor) for tensor in (*inputs, *outputs)}
        self.batch = largest

    def bind(self, batch: int) -> None:
        """Set the batch of the next runs."""
        if batch == self.batch:
            return
        self.batch, self._graph = 0, None  # a graph is of one batch; half bound is bound to none
        self._set_shapes(batch)
        self.batch = batch

    def host(self, name: str) -> Array:
        """An input's memory on the host, [batch, ...], to be written; ``feed`` sends it."""
        return self._memory[name].host.values[: self._rows(name)]

    def feed(self) -> None:
        """Enqueue the inputs' way to the GPU. The host's memory stays as it is until ``wait``."""
        for tensor in self._inputs:
            memory = self._memory[tensor.name]
            self.stream.copy_in(memory.device, memory.host, self._num_bytes(tensor))

    def launch(self) -> None:
        """Enqueue one run."""
        if self._graph is None and self._record:
            # Once outside: after a new shape the context prepares things that must not be in the graph.
            self._enqueue()
            self.stream.wait()
            with self.stream.capture() as recorded:
                self._enqueue()
            (self._graph,) = recorded
        if self._graph is not None:
            self.stream.launch(self._graph)
        else:
            self._enqueue()

    def fetch(self) -> dict[str, Array]:
        """Wait for all that was enqueued, and return copies of the outputs."""
        for tensor in self._outputs:
            memory = self._memory[tensor.name]
            self.stream.copy_out(memory.host, memory.device, self._num_bytes(tensor))
        self.stream.wait()
        return {
            tensor.name: loaded(tensor.kind, self._memory[tensor.name].host.values[: self._rows(tensor.name)])
            for tensor in self._outputs
        }

    def close(self) -> None:
        """Free it, also where the GPU fails."""
        with suppress(CudaError):
            self.stream.wait()
        self._graph = None
        self._context = None  # before the memory that it was told of
        for memory in self._memory.values():
            memory.device.close()
            memory.host.close()
        self._memory = {}
        self.stream.close()

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(int(self.stream)):
            raise RefusedError("it was not enqueued")

    def _set_shapes(self, batch: int) -> None:
        for tensor in self._inputs:
            shape = (batch, *tensor.shape[1:])
            if not self._context.set_input_shape(tensor.name, shape):
                raise RefusedError(f"it does not take input {tensor.name} of shape {shape}")
            self._shapes[tensor.name] = shape
        for tensor in self._outputs:
            shape = tuple(self._context.get_tensor_shape(tensor.name))
            if tensor.kind not in STORED or not shape or min(shape) < 0:
                raise RefusedError(f"output {tensor.name} is {tensor.kind} of shape {shape}")
            self._shapes[tensor.name] = shape

    def _allocate(self, tensor: Tensor) -> Memory:
        shape, dtype = self._shapes[tensor.name], STORED[tensor.kind]
        host = PinnedArray(shape, dtype)
        memory = Memory(DeviceBuffer(host.values.nbytes), host)
        if not self._context.set_tensor_address(tensor.name, memory.device.address):
            raise RefusedError(f"it does not take memory for {tensor.name}")
        return memory

    def _rows(self, name: str) -> int:
        return self._shapes[name][0]

    def _num_bytes(self, tensor: Tensor) -> int:
        return int(self._memory[tensor.name].host.values[: self._rows(tensor.name)].nbytes)


class Lanes:
    """A pool of lanes, made when they are wanted.

    Args:
        make: a new lane.
        most: how many there are at most.
        asked: what they are for, as an error says it.
    """

    def __init__(self, make: Callable[[], Lane], most: int, asked: str) -> None:
        self._make, self._most, self._asked = make, most, asked
        self._idle: list[Lane] = []
        self._lent = 0
        self._closed = False
        self._changed = threading.Condition()

    @contextmanager
    def lane(self, batch: int) -> Iterator[Lane]:
        """Lend a lane, bound to a batch; one that fails is closed and never lent again.

        Raises:
            BackendError: the pool was closed.
            CudaError, RefusedError: as ``Lane``.
        """
        lane = self._take(batch)
        try:
            lane = lane or self._make()
            lane.bind(batch)
            yield lane
        except BaseException:
            if lane is not None:
                lane.close()
            self._give_back(None)
            raise
        self._give_back(lane)

    def close(self) -> None:
        """Free the lanes: idle ones now, lent ones when they come back."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for lane in idle:
            lane.close()

    def _take(self, batch: int) -> Lane | None:
        """An idle lane, one of this batch if there is one; None: a new one may be made."""
        with self._changed:
            while True:
                if self._closed:
                    raise BackendError(self._asked, "it was closed", "Open the bundle again")
                if self._idle or self._lent < self._most:
                    break
                self._changed.wait()
            self._lent += 1
            same = [lane for lane in self._idle if lane.batch == batch]
            # A new one only where none is idle: each takes memory for the largest batch.
            if not self._idle:
                return None
            found = (same or self._idle)[0]
            self._idle.remove(found)
            return found

    def _give_back(self, lane: Lane | None) -> None:
        with self._changed:
            self._lent -= 1
            keep = lane is not None and not self._closed
            if lane is not None and keep:
                self._idle.append(lane)
            self._changed.notify()
        if lane is not None and not keep:
            lane.close()


def shapes_of(tensors: Mapping[str, Array]) -> str:
    """As an error says what was given."""
    return ", ".join(f"{name} {list(value.shape)}" for name, value in tensors.items()) or "nothing"
