"""A graph that computes something else ends in exit code 1, and nothing of it is published."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from pitome.bundle import file_sha256, verify_bundle, write_manifest
from tests.cli.command_line import QUICK, QUICK_PLAN, contents, finish, pitome, start
from tests.pitome.bundle.bundle_cases import with_graph

# The checks stay as they are. Every merge of the exported file takes the lowest energies and edges.
PLANT = """
import onnx
import pitome.export.onnx

correct = pitome.export.onnx.export_onnx


def wrong(model, path, **options):
    file = correct(model, path, **options)
    graph = onnx.load(str(path))
    flipped = [
        attribute
        for function in graph.functions
        for node in function.node
        if node.op_type == "TopK"
        for attribute in node.attribute
        if attribute.name == "largest"
    ]
    assert flipped, "no TopK to plant the failure in"
    for attribute in flipped:
        attribute.i = 0
    onnx.save(graph, str(path))
    return file


pitome.export.onnx.export_onnx = wrong
from pitome.cli.main import main

main()
"""


def test_planted_failure_publishes_nothing(clip_folder: Path, copied: Path) -> None:
    before = contents(copied.parent)
    options = (*QUICK, *QUICK_PLAN, "--ratio", "0.8", "--json")
    failed = finish(start("engine", clip_folder, "--out", copied.parent, *options, code=PLANT))
    assert failed.code == 1, failed.err
    assert "parity of clip-tiny with PyTorch: " in failed.message
    assert "merge decisions differ from PyTorch's by more than rounding" in failed.message
    assert "Nothing was published" in failed.message
    assert "Traceback" not in failed.err
    assert failed.document["exit_code"] == 1
    after = contents(copied.parent)
    assert after.pop("clip-tiny.lock") == b""
    assert after == before
    assert {path.name for path in copied.parent.iterdir()} == {"clip-tiny", "clip-tiny.lock"}


@pytest.mark.full
def test_validate_finds_an_altered_graph_whose_digest_fits(copied: Path) -> None:
    """Digests protect from accidents; what a bundle computes is what parity is for."""
    manifest = verify_bundle(copied)
    path = copied / "model.onnx"
    graph = onnx.load(str(path))
    weights = next(tensor for tensor in graph.graph.initializer if len(tensor.dims) == 2)
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * 1.01, weights.name))
    onnx.save(graph, str(path))
    record, *others = manifest.onnx
    record = record.model_copy(update={"sha256": file_sha256(path), "bytes": path.stat().st_size})
    write_manifest(copied, with_graph(manifest, onnx=(record, *others)))
    verify_bundle(copied)
    before = contents(copied)

    failed = pitome("validate", copied, "--record")
    assert failed.code == 1
    assert f"error: {copied} fails validation: parity: weights " in failed.message
    assert "Do not use it" in failed.message
    assert contents(copied) == before
