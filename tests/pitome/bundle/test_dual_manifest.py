"""The manifest of a dual encoder: two graphs found by their roles, and records that fit each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pitome.bundle import Manifest, verify_bundle
from tests.pitome.bundle.bundle_cases import (
    changed,
    document,
    dual_document,
    make_dual_bundle,
    parity,
    refusal,
    write_raw,
)


def test_graphs_are_found_by_their_roles(tmp_path: Path) -> None:
    manifest = verify_bundle(make_dual_bundle(tmp_path / "clip"))
    image, text = manifest.graphs
    assert (manifest.image_graph, manifest.text_graph, manifest.merged_graph) == (image, text, image)
    assert manifest.graph("image-encoder") == image
    assert manifest.graph("text-encoder") == text
    assert manifest.graph("encoder") is None


@pytest.mark.parametrize("kind", ["image", "text"])
def test_the_graph_of_a_plain_encoder_is_that_of_its_inputs(kind: str) -> None:
    content = document()
    if kind == "text":
        content["model"] |= {"task": "text-features", "preprocess": {"kind": "text", "sequence_length": 16}}
        content["graphs"][0]["inputs"] = [{"name": "input_ids", "dtype": "int64", "shape": ["batch", 16]}]
    manifest = Manifest.model_validate(content)
    (graph,) = manifest.graphs
    found = {"image": manifest.image_graph, "text": manifest.text_graph}
    assert found.pop(kind) == graph == manifest.graph("encoder") == manifest.merged_graph
    assert list(found.values()) == [None]


NAMES = "dual-encoder has image (image-encoder) and text (text-encoder)"


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("model.system", None, "graphs: a model that is no system has model (encoder)"),
        ("model.system", "retrieval", "model.system: should be 'dual-encoder'"),
        ("model.text", None, "model.text: it is there where system is dual-encoder, and only there"),
        ("model.logit_scale", None, "model.logit_scale: it is there where system is dual-encoder"),
        ("model.logit_scale", 0.0, "model.logit_scale: should be greater than 0, not 0.0"),
        ("model.task", "image-features", "model.task: image-features, where a dual encoder is of image-emb"),
        ("model.max_length", 64, "model.max_length: 64, where model.text has another length"),
        ("model.text.sequence_length", 64, "graphs[1].inputs[0].shape: it ends in 77, and text makes 64"),
        ("model.preprocess.height", 28, "the steps make (32, 32), not 28 x 32"),
        ("graphs.1.role", "encoder", NAMES),
        (
            "graphs.1.role",
            "decoder",
            "graphs[1].role: should be 'encoder', 'image-encoder' or",
        ),
        ("graphs.1.name", "image", "two graphs have one name"),
        ("graphs.0.name", "images", NAMES),
        ("graphs.1.merges", 1, "graphs[1].plans[0].merge_path: none, where the graph has 1 merges"),
        (
            "graphs.1.flops",
            {"base": 100, "merged": 50, "ratio": 0.5, "bound": 2.0},
            "graphs[1]: only the first graph merges and saves work",
        ),
        (
            "flops",
            {"base": 200, "merged": 150, "ratio": 0.75, "bound": 200 / 150},
            "graphs[0].flops: flops is not their sum",
        ),
        (
            "graphs.1.outputs.0.shape",
            ["batch", 9],
            "graphs[1].outputs: embeddings of 9 numbers, where",
        ),
        ("graphs.1.plans", [], "build.plan: there is no plan in fp16 of tensorrt_rtx for graphs[1]"),
        ("other_parity", {}, "other_parity: it is of no graph, not of text"),
        ("other_parity", {"image": parity()}, "other_parity: it is of image, not of text"),
        ("parity", None, "other_parity: it is of text, not of none"),
        ("other_parity.text.threads", 0, "other_parity.text.threads: 0"),
        (
            "other_parity.text.decisions",
            {"runtime": "onnxruntime", "images": 1, "layers": []},
            "other_parity.text: it has decisions, where text merges nothing",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, path: str, value: object, text: str) -> None:
    folder = make_dual_bundle(tmp_path / "clip")
    write_raw(folder, json.dumps(changed(path, value, dual_document)).encode())
    assert text in refusal(folder)


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("model.logit_scale", 100.0, "model.logit_scale: it is there where system is dual-encoder"),
        ("model.logit_bias", -10.0, "model.logit_bias: it stands beside logit_scale"),
        ("model.text", {"sequence_length": 77}, "model.text: it is there where system is dual-encoder"),
        ("graphs.0.role", "image-encoder", "graphs: a model that is no system has model (encoder)"),
        ("other_parity", {"text": parity()}, "other_parity: it is of text, not of none"),
    ],
)
def test_a_plain_encoder_has_nothing_of_a_second_graph(path: str, value: object, text: str) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        Manifest.model_validate(changed(path, value))
    assert text in str(caught.value)


def latency(graph: str | None) -> dict[str, Any]:
    timing = {"median_milliseconds": 10.0, "p95_milliseconds": 10.0, "per_second": 100.0}
    shared = {"threads": 2, "onnxruntime": "1.32.0", "provider": "CPUExecutionProvider", "cpu": "a processor"}
    bound = 200 / 150  # of the image graph alone
    result = {
        "batch": 1,
        "speedup": 1.0,
        "speedup_interval": [1.0, 1.0],
        "bound": bound,
        "share_of_bound": 1 / bound,
        "merged": timing,
        "unmerged": timing,
        "rounds": 2,
        "warmup_rounds": 0,
        "seed": 0,
        **shared,
    }
    return {"graph": graph, "results": [result], **shared}


def test_latency_says_which_graph_it_is_of() -> None:
    manifest = Manifest.model_validate(changed("latency", latency("image"), dual_document))
    assert manifest.latency is not None
    assert manifest.latency.graph == "image"
    for graph in (None, "text"):
        with pytest.raises(ValueError, match=rf"latency\.graph: {graph}, not image"):
            Manifest.model_validate(changed("latency", latency(graph), dual_document))
    with pytest.raises(ValueError, match=r"latency\.graph: image, not None"):
        Manifest.model_validate(changed("latency", latency("image")))
