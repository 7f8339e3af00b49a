"""A small bundle with every optional part, for the tests of the schema and of the verification."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pitome.bundle import Manifest, verify_bundle, write_manifest
from pitome.errors import BundleError

CONTENTS = {
    "model.onnx": b"the graph",
    "model.onnx.data": b"its weights",
    "model.fp16.onnx": b"half a graph",
    "plans/model.fp16.sm80.plan": b"a plan",
    "plans/model.fp16.tensorrt.plan": b"a plan with plugin layers",
    "libpitome_plugin.so": b"a plugin",
    "report.html": b"<html>",
}
OWN = ("manifest.json", "manifest.json.sha256")
KEY = "0" * 64


def sha256(data: bytes | bytearray) -> str:
    return hashlib.sha256(data).hexdigest()


def record(name: str, sized: bool = True, **others: Any) -> dict[str, Any]:
    data = CONTENTS[name]
    size = {"bytes": len(data)} if sized else {}
    return {"file": name, "sha256": sha256(data), **size, **others}


def document() -> dict[str, Any]:
    """Make the JSON of a small manifest with every optional part."""
    tensors: dict[str, Any] = {
        "inputs": [{"name": "pixel_values", "dtype": "float32", "shape": ["batch", 3, 32, 32]}],
        "outputs": [{"name": "embedding", "dtype": "float32", "shape": ["batch", 8]}],
    }
    return {
        "schema_version": 1,
        "pitome_version": "0.1.0",
        "created": "2026-11-22T10:00:00+00:00",
        "model": {
            "name": "clip-b16",
            "family": "clip",
            "task": "image-embedding",
            "weights": {"source": "random", "sha256": KEY, "random": True, "revision": None, "seed": 0},
            "preprocess": {"image_size": 32, "mean": [0.5, 0.5, 0.5]},
        },
        "method": {
            "name": "pitome",
            "order": "energy",
            "energy": "elu",
            "split": "alternate",
            "metric": "hidden",
            "margins": [0.9, 0.45],
            "alpha": 1.0,
            "size_penalty": 0.05,
            "num_protected": 1,
            "proportional_attention": True,
            "seed": None,
        },
        "schedule": {"tokens": [17, 15, 15], "num_merged": [2, 0], "num_candidates": [14, 0]},
        "precision": "fp16",
        "flops": {"base": 200, "merged": 150, "ratio": 0.75, "bound": 200 / 150},
        "onnx": [
            record(
                "model.onnx",
                precision="fp32",
                opset=18,
                key=KEY,
                external_data=[record("model.onnx.data")],
                **tensors,
            ),
            record("model.fp16.onnx", precision="fp16", opset=18, key=KEY, external_data=[], **tensors),
        ],
        "plans": [
            record(
                "plans/model.fp16.sm80.plan",
                backend="tensorrt_rtx",
                backend_version="1.7.1.116",
                targets=["sm80", "sm86"],
                profile=[1, 8, 32],
                precision="fp16",
                merge_path="function",
                plugin_embedded=False,
                executed=False,
                build_seconds=5.5,
                key=KEY,
            ),
            record(
                "plans/model.fp16.tensorrt.plan",
                backend="tensorrt",
                backend_version="11.4.0.106",
                targets=["sm89"],
                profile=[1, 8, 32],
                precision="fp16",
                merge_path="plugin",
                plugin_embedded=False,
                executed=False,
                build_seconds=70.5,
                key=KEY,
            ),
        ],
        "plugin": record("libpitome_plugin.so", sized=False, version="0.1.0"),
        "parity": {"verdict": "pass"},
        "parity_key": KEY,
        "latency": None,
        "latency_key": None,
        "environment": {"onnxruntime": "1.32.0"},
        "report": record("report.html", sized=False),
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """Make the document with one value, named by its dotted path, set to another."""
    result: Any = document()
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
    for name, data in CONTENTS.items():
        (folder / name).write_bytes(data)
    write_manifest(folder, Manifest.model_validate(document()))
    return folder


def refusal(folder: Path) -> str:
    """Return the message with which verification refuses a folder."""
    with pytest.raises(BundleError) as caught:
        verify_bundle(folder)
    assert caught.value.exit_code == 2
    return str(caught.value)
