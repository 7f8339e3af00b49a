"""A file with one merge, run by onnxruntime with the operator library or by the function that it carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto
from torch import Tensor

from pitome.merge import MergeResult
from pitome.parameters import MergeParameters
from pitome.plugins.tools.native_build import NATIVE_LIBRARY, NATIVE_OUTPUT
from pitome.runtime.native import RECORD_PLACEMENT
from tests.operator_model import operator_model

LIBRARY = NATIVE_OUTPUT.resolve() / NATIVE_LIBRARY
TYPES = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}
ELEMENTS = {torch.float16: TensorProto.FLOAT16, torch.bfloat16: TensorProto.BFLOAT16}


def model_of(
    parameters: MergeParameters, x: Tensor, metric: Tensor, attributes: Mapping[str, Any] | None = None
) -> onnx.ModelProto:
    """The model for tensors like these; ``attributes`` replace the node's, None takes one away."""
    model = operator_model(parameters, x.shape[1], x.shape[2], metric.shape[2], TYPES[x.dtype])
    node = model.graph.node[0]
    for name, value in (attributes or {}).items():
        [old] = [each for each in node.attribute if each.name == name]
        node.attribute.remove(old)
        if value is not None:
            node.attribute.append(onnx.helper.make_attribute(name, value))
    return model


def open_model(
    model: onnx.ModelProto,
    native: bool = True,
    threads: int = 2,
    library: Path = LIBRARY,
    providers: Sequence[str] = ("CPUExecutionProvider",),
) -> onnxruntime.InferenceSession:
    """A session, with the operator library or without."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.add_session_config_entry(RECORD_PLACEMENT, "1")
    if native:
        command = "make native" if library == LIBRARY else "make native-cuda"
        assert library.is_file(), f"{library} is missing: run `{command}` first"
        options.register_custom_ops_library(str(library))
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=list(providers))


def run(session: onnxruntime.InferenceSession, x: Tensor, metric: Tensor, size: Tensor) -> MergeResult:
    """One call. Values of 16 bits go in and out as they are, since NumPy has no bfloat16."""
    inputs = {"x": _value(x), "metric": _value(metric), "size": _value(size)}
    y, size_out, assignment = session.run_with_ort_values(None, inputs)
    return MergeResult(_tensor(y, x.dtype), _tensor(size_out), _tensor(assignment))


def _value(tensor: Tensor) -> onnxruntime.OrtValue:
    if tensor.dtype == torch.float32:
        return onnxruntime.OrtValue.ortvalue_from_numpy(tensor.numpy())
    bits = tensor.contiguous().view(torch.int16).numpy().view(np.uint16)
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, ELEMENTS[tensor.dtype])


def _tensor(value: onnxruntime.OrtValue, dtype: torch.dtype = torch.float32) -> Tensor:
    if dtype == torch.bfloat16:  # its bytes, which DLPack hands over
        return torch.from_dlpack(value._ortvalue.to_dlpack())
    return torch.from_numpy(value.numpy())
