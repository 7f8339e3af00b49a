"""Whether a manifest describes the model and the graphs that it stands for.

Its digest proves only that nobody changed a byte since it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pitome.bundle import Manifest
from pitome.compression import Compression
from pitome.engine import records
from pitome.engine.sentence_record import sentence_record
from pitome.errors import BundleError
from pitome.models.loading import LoadedModel

Interface = list[tuple[str, str, tuple[int | str, ...]]]


def check_described(bundle: Path, manifest: Manifest, loaded: LoadedModel, compression: Compression) -> None:
    """Make sure that the loaded model, its method and the bundle's graphs are as the manifest has them.

    Raises:
        BundleError: they are not; the first difference is named.
    """
    for field, written, found in _of_model(manifest, loaded):
        if written != found:
            raise BundleError(
                f"the model of {bundle}",
                f"the manifest's model.{field} is not what this version of pitome makes of the checkpoint",
                f"Use pitome {manifest.pitome_version}, or run `make engine` again",
            )
    described = (records.method_record(compression), records.schedule_record(compression))
    if described != (manifest.method, manifest.schedule):
        raise BundleError(
            f"the model of {bundle}",
            "its options lead to another method or schedule with this version of pitome",
            f"Use pitome {manifest.pitome_version}, or run `make engine` again",
        )
    for graph in manifest.graphs:
        written = tuple(
            [(tensor.name, tensor.dtype, tensor.shape) for tensor in tensors]
            for tensors in (graph.inputs, graph.outputs)
        )
        for file in graph.onnx:
            if _interface(bundle / file.file) != written:
                raise BundleError(
                    f"bundle {bundle}",
                    f"the inputs and outputs of {file.file} are others than the manifest says",
                    "Run `make engine` for this model again",
                )


def _of_model(manifest: Manifest, loaded: LoadedModel) -> Iterator[tuple[str, object, object]]:
    """What the checkpoint alone decides: the field, as it is written and as it is found."""
    model = manifest.model
    yield "family", model.family, loaded.family.name
    yield "task", model.task, loaded.task
    yield "preprocess", model.preprocess, loaded.preprocess
    text = loaded.text
    length = loaded.sequence_length if text is None else text.loaded.sequence_length
    yield "max_length", model.max_length, length
    yield "system", model.system is None, text is None
    yield "logit_scale", model.logit_scale, None if text is None else text.logit_scale
    yield "logit_bias", model.logit_bias, None if text is None else text.logit_bias
    yield "sentence", model.sentence, sentence_record(loaded)


def _interface(path: Path) -> tuple[Interface, Interface]:
    """Names, types and shapes of a graph's inputs and outputs; weights in other files are not read."""
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    return [_tensor(value) for value in graph.input], [_tensor(value) for value in graph.output]


def _tensor(value: Any) -> tuple[str, str, tuple[int | str, ...]]:
    import onnx

    kind = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    return value.name, dtype, tuple(size.dim_param or size.dim_value for size in kind.shape.dim)
