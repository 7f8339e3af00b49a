"""One tool's work on an ONNX file, for an environment that holds the tools and not this project.

    python tool_script.py TOOL GRAPH INPUTS.npz RESULT

RESULT is an ONNX file, or for those that run the graph themselves, outputs as .npz.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np


def onnxsim(graph: Path, inputs: Path, result: Path) -> None:
    import onnx
    import onnxsim

    model, same = onnxsim.simplify(onnx.load(graph))
    assert same, "onnxsim compares what both compute"
    onnx.save(model, result)


def onnxslim(graph: Path, inputs: Path, result: Path) -> None:
    import onnxslim

    onnxslim.slim(str(graph), str(result))


def graphsurgeon(graph: Path, inputs: Path, result: Path) -> None:
    import onnx
    import onnx_graphsurgeon

    surgeon = onnx_graphsurgeon.import_onnx(onnx.load(graph))
    onnx.save(onnx_graphsurgeon.export_onnx(surgeon.fold_constants().cleanup()), result)


def polygraphy(graph: Path, inputs: Path, result: Path) -> None:
    command = Path(sys.executable).with_name("polygraphy")
    subprocess.run(
        [command, "surgeon", "sanitize", graph, "--fold-constants", "-o", result],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def quantize_dynamic(graph: Path, inputs: Path, result: Path) -> None:
    from onnxruntime import quantization

    quantization.quantize_dynamic(graph, result, op_types_to_quantize=["MatMul"])


def quantize_static(graph: Path, inputs: Path, result: Path) -> None:
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.given = iter([dict(np.load(inputs))])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.given, None)

    quantization.quantize_static(graph, result, Reader(), op_types_to_quantize=["MatMul"])


def float16(graph: Path, inputs: Path, result: Path) -> None:
    import onnx
    from onnxconverter_common import float16

    blocked = [*float16.DEFAULT_OP_BLOCK_LIST, "EnergyMerge"]
    onnx.save(
        float16.convert_float_to_float16(onnx.load(graph), keep_io_types=True, op_block_list=blocked), result
    )


def openvino(graph: Path, inputs: Path, result: Path) -> None:
    import openvino

    core = openvino.Core()
    core.set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = core.compile_model(core.read_model(graph), "CPU")(dict(np.load(inputs)))
    np.savez(result, found[0])


def onnxruntime(graph: Path, inputs: Path, result: Path) -> None:
    import onnxruntime

    print(onnxruntime.__version__)
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    np.savez(result, session.run(None, dict(np.load(inputs)))[0])


TOOLS: dict[str, Callable[[Path, Path, Path], None]] = {
    tool.__name__: tool
    for tool in (
        onnxsim,
        onnxslim,
        graphsurgeon,
        polygraphy,
        quantize_dynamic,
        quantize_static,
        float16,
        openvino,
        onnxruntime,
    )
}

if __name__ == "__main__":
    name, *paths = sys.argv[1:]
    TOOLS[name](*map(Path, paths))
