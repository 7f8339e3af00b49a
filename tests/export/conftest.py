"""ONNX files of small models: each is traced once for all tests, whatever process they run in."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from pitome.export.debug_graph import write_debug_graph
from pitome.export.onnx import OnnxFile, Precision, export_onnx
from pitome.runtime.onnxruntime import open_session
from tests.compressed import compress_with
from tests.export.tiny_models import OUTPUTS, make_model
from tests.shared import shared_folder

METADATA = {"method": {"name": "pitome", "margins": [0.9, 0.6]}, "version": "0.1.0", "ratio": 0.8}


@dataclass(frozen=True)
class Exported:
    """A model, its file, and the file with assignments as further outputs."""

    model: nn.Module
    file: OnnxFile
    outputs: tuple[str, ...]
    debug: Path
    assignments: tuple[str, ...]

    @property
    def graph(self) -> onnx.ModelProto:
        return onnx.load(str(self.file.path))

    @property
    def tokens(self) -> tuple[int, ...]:
        """Token counts in front of each layer and after the last."""
        compression: Any = self.model.compression
        return compression.schedule.tokens

    def run(self, images: Tensor) -> tuple[list[np.ndarray], list[Tensor]]:
        """The outputs, and the assignment [B, N] of each merge."""
        feed = {"pixel_values": images.numpy()}
        outputs = open_session(self.file.path, threads=1).run(list(self.outputs), feed)
        values = open_session(self.debug, threads=1).run([*self.outputs, *self.assignments], feed)
        for plain, debug in zip(outputs, values, strict=False):
            np.testing.assert_array_equal(plain, debug)
        return outputs, [torch.from_numpy(value) for value in values[len(outputs) :]]


Export = Callable[..., Exported]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """``exported(name, precision, **options of compress)``; ``ratio=None`` is the model as it came."""

    @cache
    def export(name: str, precision: Precision = "fp32", **options: Any) -> Exported:
        model = make_model(name)
        if options.get("ratio", 0.8) is not None:
            model = compress_with(model, **{"ratio": 0.8, **options})

        def make(folder: Path) -> None:
            path, debug = folder / "model.onnx", folder / "debug.onnx"
            file = export_onnx(model, path, outputs=OUTPUTS[name], precision=precision, metadata=METADATA)
            written = (file, debug, write_debug_graph(path, debug))
            (folder / "written.pickle").write_bytes(pickle.dumps(written))

        asked = hashlib.sha256(repr(sorted(options.items())).encode()).hexdigest()[:16]
        folder = shared_folder(tmp_path_factory, f"{name}-{precision}-{asked}", make)
        file, debug, assignments = pickle.loads((folder / "written.pickle").read_bytes())
        return Exported(model, file, OUTPUTS[name], debug, assignments)

    return export
