"""A small bundle with every optional part, for the tests of the schema and of the verification."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pitome.bundle import Manifest, ParityReport, verify_bundle, write_manifest
from pitome.energies import Energy
from pitome.errors import BundleError
from pitome.settings import MergeSettings
from tests.merge_parameters import merge_parameters

CONTENTS = {
    "model.onnx": b"the graph",
    "model.onnx.data": b"its weights",
    "model.fp16.onnx": b"half a graph",
    "plans/model.fp16.sm80.plan": b"a plan",
    "plans/model.fp16.tensorrt.plan": b"a plan with plugin layers",
    "libpitome_plugin.so": b"a plugin",
    "labels.json": b'["cat", "dog"]\n',
    "report.html": b"<html>",
}
DUAL_CONTENTS = {
    "image.onnx": b"the graph of images",
    "image.fp16.onnx": b"half a graph of images",
    "image.fp16.tensorrt_rtx.function.plan": b"a plan of images",
    "text.onnx": b"the graph of texts",
    "text.fp16.onnx": b"half a graph of texts",
    "text.fp16.tensorrt_rtx.none.plan": b"a plan of texts",
    "report.html": b"<html>",
}
"""Of a bundle of two graphs."""
OWN = ("manifest.json", "manifest.json.sha256")
KEY = "0" * 64


def sha256(data: bytes | bytearray) -> str:
    return hashlib.sha256(data).hexdigest()


def record(name: str, sized: bool = True, **others: Any) -> dict[str, Any]:
    data = (CONTENTS | DUAL_CONTENTS)[name]
    size = {"bytes": len(data)} if sized else {}
    return {"file": name, "sha256": sha256(data), **size, **others}


def document() -> dict[str, Any]:
    """Make the JSON of a small manifest with every optional part."""
    usual = {"dtype": "float32", "optional": False, "below": None}
    tensors: dict[str, Any] = {
        "inputs": [{"name": "pixel_values", "shape": ["batch", 3, 32, 32], **usual}],
        "outputs": [{"name": "embedding", "shape": ["batch", 8], **usual}],
    }
    flops = {"base": 200, "merged": 150, "ratio": 0.75, "bound": 200 / 150}
    return {
        "schema_version": 2,
        "pitome_version": "0.1.0",
        "created": "2026-11-22T10:00:00+00:00",
        "model": {
            "name": "clip-b16",
            "family": "clip",
            "system": None,
            "task": "image-embedding",
            "weights": {"source": "org/clip", "sha256": KEY, "random": False, "revision": "a1", "seed": None},
            "preprocess": {
                "kind": "image",
                "processor": "CLIPImageProcessor",
                "height": 32,
                "width": 32,
                "channels": 3,
                "resize": {
                    "height": None,
                    "width": None,
                    "shortest_edge": 36,
                    "longest_edge": None,
                    "resample": 3,
                },
                "crops": [[32, 32]],
                "rescale_factor": 1 / 255,
                "mean": [0.5, 0.5, 0.5],
                "std": [0.25, 0.25, 0.25],
            },
            "text": None,
            "logit_scale": None,
            "logit_bias": None,
            "pooling": None,
            "normalised": None,
            "sentence": None,
            "max_length": None,
            "num_labels": 2,
            "card": None,
            "notes": [],
        },
        "method": {
            "settings": settings(candidates=0.1, margin=[0.9, 0.9], metric="hidden", energy="elu"),
            "restore": "groups",
            "num_protected": 1,
            "layers": [operator(2, 14, 0.9), None],
        },
        "schedule": {"tokens": [17, 15, 15], "num_merged": [2, 0], "num_candidates": [14, 0]},
        "flops": flops,
        "graphs": [
            {
                "name": "model",
                "role": "encoder",
                "speed": None,
                "length": None,
                "weights_file": None,
                **tensors,
                "merges": 1,
                "feeds": {},
                "flops": flops,
                "onnx": [
                    onnx("model.onnx", "fp32", [record("model.onnx.data")]),
                    onnx("model.fp16.onnx", "fp16", []),
                ],
                "plans": [
                    plan(
                        "plans/model.fp16.sm80.plan",
                        backend="tensorrt_rtx",
                        backend_version="1.7.1.116",
                        targets=["sm80", "sm86"],
                        merge_path="function",
                        plugin_layers=0,
                    ),
                    plan(
                        "plans/model.fp16.tensorrt.plan",
                        backend="tensorrt",
                        backend_version="11.4.0.106",
                        targets=["sm89"],
                        merge_path="plugin",
                        plugin_layers=1,
                    ),
                ],
            }
        ],
        "assets": [record("labels.json", sized=False, role="labels")],
        "native_left_out": None,
        "native": [
            record(
                "libpitome_plugin.so",
                sized=False,
                kind="tensorrt",
                version="0.1.0",
                arch="x86_64",
                glibc=None,
                onnxruntime_api=None,
                instruction_sets=[],
                providers=[],
            )
        ],
        "build": {
            "command": "pitome engine clip-b16",
            "model": {
                "model": "clip-b16",
                "weights": None,
                "image_size": None,
                "strict": False,
                "seed": 0,
                "sequence_length": None,
                "tower": None,
            },
            "schedule": {"ratio": None, "r": [2, 0], "flops": None, "shape": None, "layers": None},
            "merge": settings(),
            "precision": "fp16",
            "plan": {
                "precision": "fp16",
                "backend": "tensorrt_rtx",
                "targets": ["sm80", "sm86"],
                "profile": [1, 8, 32],
                "merge_path": None,
                "plugin": None,
                "embed_plugin": False,
            },
            "check": {
                "parity_images": 64,
                "inputs": None,
                "column": None,
                "batches": [1, 8],
                "threads": 2,
                "device": "cpu",
                "latency_seconds": 10.0,
                "native": None,
            },
        },
        "accuracy": [
            {
                "task": "r8",
                "data_sha256": KEY,
                "n": 100,
                "value": 0.9,
                "interval": [0.85, 0.95],
                "base": 0.91,
                "speed": None,
            }
        ],
        "parity": parity(),
        "other_parity": {},
        "parity_key": KEY,
        "latency": None,
        "latency_key": None,
        "environment": {
            "packages": {"onnxruntime": "1.32.0"},
            "python": "3.11.2",
            "system": "Linux x86_64",
            "cpu": "a processor",
        },
        "report": record("report.html", sized=False),
    }


def dual_document() -> dict[str, Any]:
    """Make the JSON of a small manifest of a dual encoder: an image graph, and a text graph of 77 tokens."""
    result = document()
    (image,) = result["graphs"]
    result["assets"], result["native"] = [], []
    result["model"] |= {
        "system": "dual-encoder",
        "text": {"kind": "text", "sequence_length": 77},
        "logit_scale": 100.0,
        "normalised": False,
        "max_length": 77,
        "num_labels": None,
    }
    image |= {"name": "image", "role": "image-encoder", "onnx": [], "plans": []}
    image["outputs"][0]["name"] = "image_embeds"
    usual = {"dtype": "int64", "shape": ["batch", 77], "optional": False}
    text = image | {
        "name": "text",
        "role": "text-encoder",
        "inputs": [
            {"name": "input_ids", "below": 49408, **usual},
            {"name": "attention_mask", "below": 2, **usual},
        ],
        "outputs": [{**image["outputs"][0], "name": "text_embeds"}],
        "merges": 0,
        "flops": {"base": 100, "merged": 100, "ratio": 1.0, "bound": 1.0},
    }
    for graph, way in ((image, "function"), (text, "none")):
        name = graph["name"]
        graph["onnx"] = [onnx(f"{name}.onnx", "fp32", []), onnx(f"{name}.fp16.onnx", "fp16", [])]
        graph["plans"] = [
            plan(
                f"{name}.fp16.tensorrt_rtx.{way}.plan",
                backend="tensorrt_rtx",
                backend_version="1.7.1.116",
                targets=["sm80", "sm86"],
                merge_path=way,
                plugin_layers=0,
            )
        ]
    result["graphs"] = [image, text]
    result["flops"] = {"base": 300, "merged": 250, "ratio": 250 / 300, "bound": 300 / 250}
    result["other_parity"] = {"text": parity()}
    return result


def settings(**chosen: Any) -> dict[str, Any]:
    """Merge settings as JSON, with a value for every field."""
    found: dict[str, Any] = asdict(MergeSettings())
    assert set(chosen) <= set(found)
    return found | chosen


def operator(num_merged: int, num_candidates: int, margin: float, energy: Energy = "elu") -> dict[str, Any]:
    """The operator's attributes in one layer, as JSON."""
    return asdict(merge_parameters(num_merged, num_candidates, 1, margin=margin, energy=energy))


def onnx(name: str, precision: str, external_data: list[dict[str, Any]]) -> dict[str, Any]:
    return record(
        name,
        precision=precision,
        opset=18,
        ir_version=10,
        inlined=False,
        key=KEY,
        external_data=external_data,
    )


def plan(name: str, **others: Any) -> dict[str, Any]:
    return record(
        name,
        profile=[1, 8, 32],
        precision="fp16",
        plugin_embedded=False,
        executed=False,
        build_seconds=5.5,
        key=KEY,
        **others,
    )


def parity() -> dict[str, Any]:
    """A parity report that passed, as JSON; nothing was compared in it."""
    report = ParityReport(
        verdict="pass",
        reason="every decision agrees",
        decisions=None,
        reported_decisions=(),
        unchecked=("fp16",),
        arithmetic=(),
        task=(),
        top1_agreement={"fp32": 1.0},
        inputs={"noise": 4},
        threads=2,
    )
    found: dict[str, Any] = report.model_dump(mode="json")
    return found


def with_graph(manifest: Manifest, **update: Any) -> Manifest:
    """The manifest with fields of its one graph replaced; nothing is validated."""
    (graph,) = manifest.graphs
    return manifest.model_copy(update={"graphs": (graph.model_copy(update=update),)})


def changed(path: str, value: Any, of: Callable[[], dict[str, Any]] = document) -> dict[str, Any]:
    """Make the document with one value, named by its dotted path, set to another."""
    result: Any = of()
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = result
    for part in parents:
        place = place[part]
    place[last] = value
    return result


def write_raw(folder: Path, data: bytes) -> None:
    """Write a manifest of any bytes with the digest that belongs to it."""
    (folder / OWN[0]).write_bytes(data)
    (folder / OWN[1]).write_text(f"{sha256(data)}  {OWN[0]}\n")


def make_bundle(folder: Path) -> Path:
    (folder / "plans").mkdir(parents=True)
    return _make(folder, document(), CONTENTS)


def make_dual_bundle(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return _make(folder, dual_document(), DUAL_CONTENTS)


def _make(folder: Path, content: dict[str, Any], files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    write_manifest(folder, Manifest.model_validate(content))
    return folder


def refusal(folder: Path) -> str:
    """Return the message with which verification refuses a folder."""
    with pytest.raises(BundleError) as caught:
        verify_bundle(folder)
    assert caught.value.exit_code == 2
    return str(caught.value)
