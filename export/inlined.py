"""The graph with the operator's body in place of its nodes, for tools and runtimes that take no functions."""

from __future__ import annotations

from dataclasses import replace

from pitome.export.onnx import OnnxFile, check_file, run_once
from pitome.op import ONNX_DOMAIN


def inlined_name(name: str) -> str:
    """Of the file that lies beside ``name``: model.fp16.onnx -> model.fp16.inlined.onnx."""
    return f"{name.removesuffix('.onnx')}.inlined.onnx"


def write_inlined(file: OnnxFile) -> OnnxFile:
    """Write an exported graph again beside itself, as standard operators alone, and put it through the gate.

    It computes the same. No runtime can take the operator natively any more, and nothing can be asked for the
    merges' decisions. Weights in external files are shared with the graph that it was made from.

    Returns:
        The file, whose merges are none.

    Raises:
        InputError: a graph that fails the gate.
    """
    import onnx
    from onnx import inliner

    path = file.path.with_name(inlined_name(file.path.name))
    model = inliner.inline_local_functions(onnx.load(file.path, load_external_data=False))
    standard = [opset for opset in model.opset_import if opset.domain != ONNX_DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(standard)
    onnx.save(model, path)
    written = replace(file, path=path, num_merges=0)
    check_file(path)
    run_once(path, written)
    return written
