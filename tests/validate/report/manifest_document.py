"""The manifest of a bundle, as JSON has it, that reports are made of."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tests.pitome.bundle.bundle_cases import operator, settings

TOKENS = [197, 178, 161, 145, 131, 118, 107, 97, 88, 80, 73, 66, 60]
MERGED = [a - b for a, b in pairwise(TOKENS)]
CANDIDATES = [min(t - 1, max(2 * r, int(0.9 * (t - 1) + 0.5))) for t, r in zip(TOKENS, MERGED, strict=False)]


def digest(letter: str) -> str:
    return letter * 64


def layer_parity(layer: int) -> dict[str, Any]:
    compared = 96 * TOKENS[layer]
    return {
        "layer": layer,
        "tokens": TOKENS[layer],
        "merged": MERGED[layer],
        "compared": compared,
        "agreed": compared - (layer == 5),
        "excused": int(layer == 5),
        "unexplained": 0,
        "tolerance": 2.1e-7 + layer * 1e-8,
        "similarity_tolerance": 1e-7,
        "largest_excused_margin": 0.0,
        "smallest_margin": [3e-6, 8e-7, 1e-5, 4e-6, 2e-6, 6e-8][layer % 6],
        "free_running_agreement": 1 - layer * 1e-4,
    }


def latency_result(batch: int, speedup: float, low: float, high: float) -> dict[str, Any]:
    bound = 17_600_000_000 / 10_100_000_000
    return {
        "batch": batch,
        "speedup": speedup,
        "speedup_interval": [low, high],
        "bound": bound,
        "share_of_bound": speedup / bound,
        "merged": {"median_milliseconds": 100.0, "p95_milliseconds": 110.0, "per_second": 10.0 * batch},
        "unmerged": {
            "median_milliseconds": 150.0,
            "p95_milliseconds": 160.0,
            "per_second": 1000 * batch / 150,
        },
        "rounds": 27,
        "warmup_rounds": 4,
        "threads": 2,
        "seed": 0,
        "onnxruntime": "1.32.0",
        "provider": "CPUExecutionProvider",
        "cpu": "AMD EPYC",
    }


def make_plan() -> dict[str, Any]:
    return {
        "file": "model.plan",
        "sha256": digest("d"),
        "bytes": 198_000_000,
        "backend": "tensorrt_rtx",
        "backend_version": "1.7.1.116",
        "targets": ["sm80", "sm86", "sm89", "sm120"],
        "profile": [1, 8, 32],
        "precision": "fp16",
        "merge_path": "function",
        "executed": False,
        "build_seconds": 6.5,
        "key": digest("e"),
    }


def make_document() -> dict[str, Any]:
    tensor = {"name": "pixel_values", "dtype": "float32", "shape": ["batch", 3, 224, 224]}
    output = {"name": "image_embeds", "dtype": "float32", "shape": ["batch", 512]}
    onnx = {"opset": 18, "ir_version": 10, "key": digest("1")}
    files = [("model.onnx", "b", 345_000_000, "fp32"), ("model.fp16.onnx", "c", 173_000_000, "fp16")]
    flops = {"base": 17_600_000_000, "merged": 10_100_000_000, "ratio": 101 / 176, "bound": 176 / 101}
    return {
        "schema_version": 2,
        "pitome_version": "0.1.0",
        "created": "2026-11-22T22:00:00+00:00",
        "model": {
            "name": "clip-b16",
            "family": "clip",
            "task": "image-embedding",
            "weights": {"source": "random", "sha256": digest("a"), "random": True, "seed": 0},
            "preprocess": {
                "kind": "image",
                "processor": "CLIPImageProcessor",
                "height": 224,
                "width": 224,
                "channels": 3,
                "resize": {
                    "height": None,
                    "width": None,
                    "shortest_edge": 224,
                    "longest_edge": None,
                    "resample": 3,
                },
                "crops": [[224, 224]],
                "rescale_factor": 1 / 255,
                "mean": [0.48, 0.46, 0.41],
                "std": [0.27, 0.26, 0.28],
            },
        },
        "method": {
            "settings": settings(
                metric="hidden", candidates=0.1, margin=[0.9, 0.9], energy="elu", size_penalty=0.05
            )
            | {"split": "alternate", "proportional_attention": True},
            "restore": "groups",
            "num_protected": 1,
            "layers": [
                operator(merged, candidates, 0.9 - 0.9 * layer / 12)
                for layer, (merged, candidates) in enumerate(zip(MERGED, CANDIDATES, strict=True))
            ],
        },
        "schedule": {"tokens": TOKENS, "num_merged": MERGED, "num_candidates": CANDIDATES},
        "flops": flops,
        "graphs": [
            {
                "name": "model",
                "role": "encoder",
                "inputs": [tensor],
                "outputs": [output],
                "merges": 12,
                "flops": flops,
                "onnx": [
                    {**onnx, "file": file, "sha256": digest(letter), "bytes": size, "precision": precision}
                    for file, letter, size, precision in files
                ],
                "plans": [make_plan()],
            }
        ],
        "build": {
            "command": "make engine MODEL=clip-b16",
            "model": {"model": "clip-b16", "weights": "random"},
            "schedule": {"ratio": 0.9},
            "merge": {"method": "pitome"},
            "precision": "fp16",
        },
        "parity": {
            "verdict": "pass",
            "reason": "",
            "decisions": {
                "runtime": "onnxruntime fp32",
                "images": 96,
                "layers": [layer_parity(layer) for layer in range(12)],
            },
            "arithmetic": [
                {
                    "output": "image_embeds",
                    "precision": "fp32",
                    "runtime": "onnxruntime",
                    "images": 96,
                    "difference_to_torch": 5.5e-7,
                    "error": 1.3e-6,
                    "torch_error": 1.1e-6,
                    "limit": 2.4e-6,
                    "scale": 1.8,
                    "passed": True,
                }
            ],
            "task": [
                {
                    "vector": "image_embeds",
                    "model": "onnxruntime fp32",
                    "against": "unmerged",
                    "mean": 0.95,
                    "minimum": 0.91,
                }
            ],
            "top1_agreement": {"onnxruntime fp32 against unmerged": 0.875},
            "inputs": {"random": 64, "photos": 32},
            "reported_decisions": [],
            "unchecked": [],
            "threads": 2,
        },
        "latency": {
            "results": [latency_result(1, 1.49, 1.46, 1.53), latency_result(8, 1.66, 1.65, 1.68)],
            "threads": 2,
            "onnxruntime": "1.32.0",
            "provider": "CPUExecutionProvider",
            "cpu": "AMD EPYC",
        },
        "environment": {
            "python": "3.11.2",
            "packages": {"torch": "2.13.0", "onnx": "1.23.2"},
            "system": "Linux x86_64",
            "cpu": "AMD EPYC",
        },
    }
