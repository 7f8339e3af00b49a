"""PyTorch -> ONNX: static tokens, dynamic batch, one custom node per merge with its body beside it.

The same model traced twice, anywhere, gives the same bytes: stack traces and other traces of the
machine are stripped.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pitome.bundle.manifest import Precision
from pitome.errors import InputError
from pitome.export.function import IR_VERSION, OPSET, energy_merge_function
from pitome.export.merge_nodes import merge_nodes, node_parameters
from pitome.models.families import family_of, text_inputs_of
from pitome.op import ONNX_DOMAIN, ONNX_VERSION
from pitome.text_inputs import ATTENTION_MASK, LIMITS_KEY, TOKEN_TYPE_IDS, TextInputs

if TYPE_CHECKING:
    import onnx_ir

TORCH_TYPES: Mapping[str, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
LARGEST_PROTOBUF = 2**31 - 2**24
"""Bytes of weights up to which one file holds them; protobuf ends at 2 GiB."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class OnnxFile:
    """An exported graph that passed the gate."""

    path: Path
    precision: str
    external_data: tuple[Path, ...]
    inputs: tuple[tuple[str, str, tuple[int | str, ...]], ...]
    """(name, dtype, shape); "batch" is the dynamic dimension."""
    outputs: tuple[tuple[str, str, tuple[int | str, ...]], ...]
    num_merges: int
    ir_version: int
    text_inputs: TextInputs = field(default_factory=TextInputs)
    """Of texts, what the inputs take; the file says it too."""


class _Traced(nn.Module):
    """Named inputs in, the named outputs out as float32, whatever the precision in between."""

    def __init__(
        self, model: nn.Module, names: Sequence[str], outputs: Sequence[str], dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.model, self.names, self.outputs, self.dtype = model, tuple(names), tuple(outputs), dtype
        self.training = model.training

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        given = [value.to(self.dtype) if value.is_floating_point() else value for value in values]
        output = self.model(**dict(zip(self.names, given, strict=True)))
        return tuple(getattr(output, name).float() for name in self.outputs)


def export_onnx(
    model: nn.Module,
    path: Path,
    *,
    outputs: Sequence[str],
    precision: Precision = "fp32",
    inputs: Mapping[str, Tensor] | None = None,
    metadata: Mapping[str, Any] | None = None,
    largest_file: int = LARGEST_PROTOBUF,
    progress: Progress | None = None,
) -> OnnxFile:
    """Trace a model, write it to ``path`` and put it through the gate.

    Args:
        model: compressed or not, in eval mode, float32; not changed.
        path: file to write; weights beyond ``largest_file`` bytes go to ``<path>.data`` beside it.
        outputs: fields of the model's output.
        precision: of the weights and activations; decisions of the merges stay float32.
        inputs: examples with a batch of two, by the names that the graph's inputs get; floats are float32.
            Default: the family's, so images as pixel_values, texts as input_ids, attention_mask and, where
            the model has several token types, token_type_ids.
        metadata: JSON values for the file's metadata_props.
        largest_file: bytes of weights from which on external data is used.
        progress: called with (step, done, total).

    Raises:
        InputError: merges by energies of different functions, or a graph that fails the gate.
    """
    steps = ("trace", "write", "check", "run")

    def report(step: str) -> None:
        if progress is not None:
            progress(step, steps.index(step), len(steps))

    report("trace")
    program = _trace(model, inputs or family_of(model).example_inputs(model, 2), outputs, precision)
    report("write")
    num_merges = add_merge_function(program)
    convolve_in_float32(program)
    tidy(program)
    texts = text_inputs_of(model)
    for key, value in sorted((metadata or {}).items()):
        program.metadata_props[f"pitome.{key}"] = json.dumps(value, sort_keys=True)
    if texts.limits:
        program.metadata_props[LIMITS_KEY] = json.dumps(texts.limits)
    external_data = _write(program, path, largest_file)
    described = replace(_describe(program, path, precision, external_data, num_merges), text_inputs=texts)
    del program
    report("check")
    check_file(path)
    report("run")
    run_once(path, described)
    return described


def _trace(
    model: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], precision: Precision
) -> onnx_ir.Model:
    dtype = TORCH_TYPES[precision]
    if dtype != torch.float32:
        model = copy.deepcopy(model).to(dtype)
    batch = torch.export.Dim("batch")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # a warning for each torchvision operator
    with torch.no_grad(), warnings.catch_warnings():
        # Of several inputs that share the batch; nobody who builds a bundle can do anything about it.
        warnings.filterwarnings("ignore", message="# The axis name: batch will not be used")
        program = torch.onnx.export(
            _Traced(model, list(inputs), outputs, dtype),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes={"values": tuple({0: batch} for _ in inputs)},
            verbose=False,
        )
    if program is None:
        raise InputError(
            "an ONNX export", "torch.onnx.export returned nothing", "Report this with the model's name"
        )
    _name_as_the_model(program.model)
    return program.model


def _name_as_the_model(model: onnx_ir.Model) -> None:
    """Weights get the names that the model itself has for them, without the level of `_Traced`."""
    weights = model.graph.initializers
    for name in list(weights):  # all are taken out and put back, which keeps their order
        value = weights.pop(name)
        value.name = name.removeprefix("model.")
        weights.add(value)


def add_merge_function(model: onnx_ir.Model) -> int:
    """Put the operator's body beside its nodes; returns how many nodes there are.

    Raises:
        InputError: nodes that need different bodies, which parsers cannot tell apart.
    """
    import onnx_ir

    nodes = merge_nodes(model)
    if nodes:
        inputs = [node.inputs[0] for node in nodes]
        narrow = any(x is None or x.dtype != onnx_ir.DataType.FLOAT for x in inputs)
        body = energy_merge_function([node_parameters(node) for node in nodes], narrow=narrow)
        function: Any = onnx_ir.from_proto(body)
        model.functions[function.identifier()] = function
        model.opset_imports[ONNX_DOMAIN] = ONNX_VERSION
    for index, node in enumerate(nodes):
        node.name = f"energy_merge_{index}"
    return len(nodes)


def convolve_in_float32(model: onnx_ir.Model) -> None:
    """Put casts around bfloat16 convolutions: ONNX has none before opset 22, and weights stay bfloat16."""
    import onnx_ir

    bfloat16, float32 = onnx_ir.DataType.BFLOAT16, onnx_ir.DataType.FLOAT
    for node in [node for node in model.graph if node.op_type == "Conv"]:
        (result,) = node.outputs
        if result.dtype != bfloat16:
            continue
        for index, value in enumerate(node.inputs):
            cast = onnx_ir.node("Cast", [value], {"to": int(float32)}, name=f"{node.name}_input_{index}")
            model.graph.insert_before(node, cast)
            node.replace_input_with(index, cast.outputs[0])
        back = onnx_ir.node("Cast", [result], {"to": int(bfloat16)}, name=f"{node.name}_output")
        result.replace_all_uses_with(back.outputs[0])
        back.replace_input_with(0, result)
        model.graph.insert_after(node, back)
        back.outputs[0].dtype, back.outputs[0].shape = bfloat16, result.shape
        result.dtype = float32


def tidy(model: onnx_ir.Model) -> None:
    """Drop unused nodes, repeated initialisers, and everything that tells where the model was traced."""
    from onnx_ir.passes import common

    common.RemoveUnusedNodesPass()(model)
    common.DeduplicateInitializersPass(size_limit=2**40)(model)
    common.ClearMetadataAndDocStringPass()(model)
    graph = model.graph
    for value in (*graph.inputs, *graph.outputs, *graph.initializers.values()):  # the pass leaves them out
        value.metadata_props.clear()
    model.metadata_props.clear()
    model.producer_name, model.producer_version = "pitome", None
    model.ir_version = IR_VERSION
    model.graph.name = "main"


def _write(model: onnx_ir.Model, path: Path, largest_file: int) -> tuple[Path, ...]:
    import onnx_ir

    total = sum(
        value.const_value.nbytes
        for value in model.graph.initializers.values()
        if value.const_value is not None
    )
    if total <= largest_file:
        onnx_ir.save(model, path)
        return ()
    data = path.with_name(path.name + ".data")
    onnx_ir.save(model, path, external_data=data.name, size_threshold_bytes=1024)
    return (data,)


def _describe(
    model: onnx_ir.Model, path: Path, precision: str, external_data: tuple[Path, ...], num_merges: int
) -> OnnxFile:
    def tensor(value: Any) -> tuple[str, str, tuple[int | str, ...]]:
        dtype = str(np.dtype(value.dtype.numpy()).name)
        return value.name, dtype, tuple(size if isinstance(size, int) else "batch" for size in value.shape)

    return OnnxFile(
        path,
        precision,
        external_data,
        tuple(tensor(value) for value in model.graph.inputs),
        tuple(tensor(value) for value in model.graph.outputs),
        num_merges,
        model.ir_version,
    )


def check_file(path: Path) -> None:
    """onnx.checker (full: shape inference included) on the file itself.

    Raises:
        InputError: with the checker's words.
    """
    import onnx

    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise InputError(
            f"the exported graph {path.name}",
            f"onnx.checker refuses it: {str(error).strip().splitlines()[0]}",
            "Report this with the model's name and the versions that `pitome models --json` prints",
        ) from error


def run_once(path: Path, described: OnnxFile) -> None:
    """Run the file on onnxruntime with batches of one and three; bfloat16 graphs have no CPU kernels.

    Raises:
        InputError: onnxruntime refuses the graph, or an output has another shape than it declares.
    """
    if described.precision == "bf16":
        return
    from pitome.runtime.onnxruntime import open_session

    session = open_session(path)
    for batch in (1, 3):
        values = session.run(None, valid_inputs(described.inputs, batch))
        for (output, _, declared), value in zip(described.outputs, values, strict=True):
            expected = tuple(batch if size == "batch" else size for size in declared)
            if value.shape != expected:
                raise InputError(
                    f"output {output} of {path.name} for a batch of {batch}",
                    f"onnxruntime returns the shape {value.shape}, the graph declares {expected}",
                    "Report this with the model's name",
                )


def valid_inputs(
    inputs: Sequence[tuple[str, str, tuple[int | str, ...]]], batch: int
) -> dict[str, NDArray[Any]]:
    """Values that a graph takes, whatever it computes: black images, or texts of token 1 and type 0.

    The second half of the last text is padding, so that a mask takes part.

    Args:
        inputs: (name, dtype, shape) of each, as ``OnnxFile.inputs``.
        batch: rows.
    """
    values: dict[str, NDArray[Any]] = {}
    for name, dtype, shape in inputs:
        size = [batch, *(int(length) for length in shape[1:])]
        floating = np.issubdtype(np.dtype(dtype), np.floating)
        zeros = floating or name == TOKEN_TYPE_IDS
        values[name] = np.zeros(size, dtype) if zeros else np.ones(size, dtype)
        if name == ATTENTION_MASK:
            values[name][-1, (size[1] + 1) // 2 :] = 0
    return values
