"""The C interface of the plugin library (include/pitome_merge.h) through ctypes."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from ctypes import POINTER, c_char_p, c_float, c_int32, c_size_t, c_uint64, c_void_p
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from pitome.errors import BackendError
from pitome.merge import MergeResult
from pitome.parameters import Function, MergeParameters, Order, Split
from pitome.plugins.tools import build

BUILD = build.OUTPUT.resolve()
"""Of the folder that the process started in."""
HOST_LIBRARY = BUILD / build.HOST_LIBRARY
DTYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}
ALIGNMENT = 16
OK = 0


class Parameters(ctypes.Structure):
    """pitome_merge_parameters."""

    _fields_ = (
        ("num_merged", c_int32),
        ("num_candidates", c_int32),
        ("num_protected", c_int32),
        ("margin", c_float),
        ("alpha", c_float),
        ("size_penalty", c_float),
        ("order", c_int32),
        ("energy", c_int32),
        ("split", c_int32),
    )

    @classmethod
    def of(cls, parameters: MergeParameters) -> Parameters:
        """The same for the C interface."""
        return cls(
            parameters.num_merged,
            parameters.num_candidates,
            parameters.num_protected,
            parameters.margin,
            parameters.alpha,
            parameters.size_penalty,
            get_args(Order).index(parameters.order),
            get_args(Function).index(parameters.function),
            get_args(Split).index(parameters.split),
        )


class Shape(ctypes.Structure):
    """pitome_merge_shape."""

    _fields_ = tuple((name, c_int32) for name in ("batch", "num_tokens", "width", "metric_width", "dtype"))


class Tensors(ctypes.Structure):
    """pitome_merge_tensors."""

    _fields_ = tuple(
        (name, c_void_p) for name in ("x", "metric", "size", "y", "size_out", "assignment", "workspace")
    )


class MergeLibrary:
    """One loaded library. Tensors lie where its kernels run: on the CPU for the host build.

    Raises:
        BackendError: where there is no such file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise BackendError(
                f"the plugin library {path}",
                "there is no such file",
                "Run `make plugin` or `pitome plugin` first",
            )
        self.path = path
        self.handle = ctypes.CDLL(str(path))
        library: Any = self.handle
        parameters, shape = POINTER(Parameters), POINTER(Shape)
        library.pitome_merge_check.argtypes = [parameters, shape, c_char_p, c_size_t]
        library.pitome_merge_check_parameters.argtypes = [parameters, c_char_p, c_size_t]
        library.pitome_merge_workspace_size.argtypes = [parameters, shape]
        library.pitome_merge_workspace_size.restype = c_size_t
        library.pitome_merge_version.restype = c_char_p
        enqueue = library.pitome_merge_enqueue
        enqueue.argtypes = [parameters, shape, POINTER(Tensors), c_void_p, c_char_p, c_size_t]

    def version(self) -> str:
        """Of the library, such as "0.1.0"."""
        return str(self.handle.pitome_merge_version().decode())

    def check(self, parameters: Parameters, shape: Shape) -> str:
        """Why the library refuses; empty where it takes it."""
        return self._message(
            lambda text: self.handle.pitome_merge_check(ctypes.byref(parameters), ctypes.byref(shape), *text)
        )

    def workspace_size(self, parameters: Parameters, shape: Shape) -> int:
        """Bytes; 0 for a shape that the library refuses."""
        return int(self.handle.pitome_merge_workspace_size(ctypes.byref(parameters), ctypes.byref(shape)))

    def enqueue(
        self, x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters, stream: int = 0
    ) -> MergeResult:
        """Enqueue one merge of contiguous x [B, N, C], metric [B, N, D], size [B, N, 1]; the caller waits.

        The outputs and the workspace are full of garbage at first, and must live until the stream is done:
        the workspace hangs on the result's first tensor.
        """
        assert x.is_contiguous()
        assert metric.is_contiguous()
        assert size.is_contiguous()
        batch, num_tokens, width = x.shape
        kept = num_tokens - parameters.num_merged
        y = torch.full((batch, kept, width), torch.nan, dtype=x.dtype, device=x.device)
        size_out = torch.full((batch, kept, 1), torch.nan, device=x.device)
        assignment = torch.full((batch, num_tokens), -1, dtype=torch.int32, device=x.device)
        asked = Parameters.of(parameters)
        shape = Shape(batch, num_tokens, width, metric.shape[2], DTYPES[x.dtype])
        num_bytes = self.workspace_size(asked, shape) + ALIGNMENT
        memory = torch.full((num_bytes,), 0xFF, dtype=torch.uint8, device=x.device)
        workspace = memory.data_ptr() + -memory.data_ptr() % ALIGNMENT
        addresses = [tensor.data_ptr() for tensor in (x, metric, size, y, size_out, assignment)]
        self.enqueue_raw(asked, shape, Tensors(*addresses, workspace), stream)
        y.workspace = (memory, x, metric, size)  # type: ignore[attr-defined]
        return MergeResult(y, size_out, assignment)

    def enqueue_raw(self, parameters: Parameters, shape: Shape, tensors: Tensors, stream: int = 0) -> None:
        """Raises RuntimeError with the library's words."""
        reason = self._message(
            lambda text: self.handle.pitome_merge_enqueue(
                ctypes.byref(parameters), ctypes.byref(shape), ctypes.byref(tensors), stream, *text
            )
        )
        if reason:
            raise RuntimeError(reason)

    def _message(self, call: Callable[[tuple[Any, int]], int]) -> str:
        text = ctypes.create_string_buffer(512)
        status = call((text, len(text)))
        assert (status == OK) == (text.value == b""), "a status and its message do not fit"
        return text.value.decode()


class HostLibrary(MergeLibrary):
    """The host build, which runs kernels on the CPU and counts what they ask for."""

    def __init__(self, path: Path = HOST_LIBRARY) -> None:
        super().__init__(path)
        self.handle.pitome_host_set_seed.argtypes = [c_uint64]
        self.handle.pitome_host_stream_create.restype = c_void_p
        self.handle.pitome_host_stream_synchronize.argtypes = [c_void_p]
        self.handle.pitome_host_stream_destroy.argtypes = [c_void_p]
        self.handle.pitome_host_counters.restype = c_char_p

    def merge(
        self, x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters, seed: int = 0
    ) -> MergeResult:
        """One merge, complete when it returns; threads and blocks run in the order of the seed."""
        self.handle.pitome_host_set_seed(seed)
        result = self.enqueue(x, metric, size, parameters)
        self.handle.pitome_host_stream_synchronize(None)
        return result

    def count(
        self, x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters
    ) -> dict[str, dict[str, int]]:
        """What each kernel of one merge asks of the device's memory (plugins/host/counters.h)."""
        self.handle.pitome_host_count(1)
        self.merge(x, metric, size, parameters)
        found: dict[str, dict[str, int]] = json.loads(self.handle.pitome_host_counters())
        self.handle.pitome_host_count(0)
        return found
