"""Texts -> ONNX: the mask stays an input, and padding has size 0 in the graph as it has in PyTorch."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from pitome.compression import compress
from pitome.export.debug_graph import write_debug_graph
from pitome.export.onnx import OnnxFile, export_onnx, valid_inputs
from pitome.observe import observe_merges
from pitome.runtime.onnxruntime import open_session
from tests.export.tiny_models import LENGTH, TEXT_OUTPUTS, VOCABULARY, make_text_model, make_texts


@pytest.fixture(scope="module", params=TEXT_OUTPUTS)
def text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, OnnxFile]:
    merged = compress(make_text_model(request.param), ratio=0.8)
    path = tmp_path_factory.mktemp("text") / "model.onnx"
    with warnings.catch_warnings():
        # PyTorch warns of several inputs with one batch, which nobody who exports can change.
        warnings.filterwarnings("error", message=".*axis name")
        return merged, export_onnx(merged, path, outputs=TEXT_OUTPUTS[request.param])


INPUTS = {
    "BertModel": ("input_ids", "attention_mask", "token_type_ids"),
    "DistilBertForSequenceClassification": ("input_ids", "attention_mask"),
}
LIMITS = {"input_ids": VOCABULARY, "attention_mask": 2, "token_type_ids": 2}


def texts_for(file: OnnxFile, batch: int) -> dict[str, torch.Tensor]:
    return make_texts(batch, token_types="token_type_ids" in file.text_inputs.limits)


def test_ids_mask_and_token_types_are_inputs_with_a_dynamic_batch(text: tuple[Any, OnnxFile]) -> None:
    merged, file = text
    names = INPUTS[type(merged).__name__]
    assert file.inputs == tuple((name, "int64", ("batch", LENGTH)) for name in names)
    assert file.num_merges == 3
    model = onnx.load(str(file.path))
    assert [value.name for value in model.graph.input] == list(names)
    written = {entry.key: entry.value for entry in model.metadata_props}["pitome.input_limits"]
    assert json.loads(written) == file.text_inputs.limits == {name: LIMITS[name] for name in names}


@pytest.mark.parametrize("batch", [1, 3])
def test_texts_of_any_length_are_as_in_pytorch(
    text: tuple[Any, OnnxFile], batch: int, tmp_path: Path
) -> None:
    """With the graph's own decisions forced, and only where there are tokens."""
    merged, file = text
    inputs = texts_for(file, batch)
    debug = tmp_path / "debug.onnx"
    assignments = write_debug_graph(file.path, debug)
    name = file.outputs[0][0]
    feed = {key: value.numpy() for key, value in inputs.items()}
    found, *decided = open_session(debug, threads=1).run([name, *assignments], feed)
    with torch.no_grad(), observe_merges([torch.from_numpy(value) for value in decided]):
        expected = getattr(merged(**inputs), name).numpy()
    if expected.ndim == 3:
        real = inputs["attention_mask"].numpy() == 1
        found, expected = found[real], expected[real]
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_padding_alone_changes_no_result(text: tuple[Any, OnnxFile]) -> None:
    """Other token ids where the mask is 0 leave what the graph says of the tokens."""
    _, file = text
    session, inputs = open_session(file.path, threads=1), texts_for(file, 3)
    feeds = []
    for other in (0, 7):
        ids = torch.where(inputs["attention_mask"] == 1, inputs["input_ids"], other)
        feeds.append({name: value.numpy() for name, value in {**inputs, "input_ids": ids}.items()})
    (first,), (second,) = (session.run(None, feed) for feed in feeds)
    if first.ndim == 3:
        real = inputs["attention_mask"].numpy() == 1
        first, second = first[real], second[real]
    assert np.abs(first - second).max() <= 1e-5 * np.abs(first).max()


def test_valid_inputs_have_padding_but_are_no_padding() -> None:
    described = (
        ("pixel_values", "float32", ("batch", 3, 4, 4)),
        ("input_ids", "int64", ("batch", 5)),
        ("attention_mask", "int64", ("batch", 5)),
        ("token_type_ids", "int64", ("batch", 5)),
    )
    values = valid_inputs(described, 2)
    assert {name: (value.shape, value.dtype.name) for name, value in values.items()} == {
        "pixel_values": ((2, 3, 4, 4), "float32"),
        "input_ids": ((2, 5), "int64"),
        "attention_mask": ((2, 5), "int64"),
        "token_type_ids": ((2, 5), "int64"),
    }
    assert not values["token_type_ids"].any()
    assert values["input_ids"].min() == values["input_ids"].max() == 1
    assert values["attention_mask"].tolist() == [[1] * 5, [1, 1, 1, 0, 0]]
    assert valid_inputs(described, 1)["attention_mask"].tolist() == [[1, 1, 1, 0, 0]]
