"""Texts on PyTorch and onnxruntime: token types reach the model, are zeros where not given, and what begins
with padding is refused before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pitome.compression import compress
from pitome.errors import InputError
from pitome.export.onnx import export_onnx
from pitome.runtime import Runtime
from pitome.runtime.onnxruntime import OnnxRuntime
from pitome.runtime.pytorch import PyTorchRuntime
from tests.tiny_models import SEQUENCE_LENGTH, tiny_text_model, tiny_texts

pytestmark = pytest.mark.slow
LOGITS = "logits"
RUNTIMES = ("transformers", "PyTorch merged", "onnxruntime none", "onnxruntime merged")


def flipping_model() -> Any:
    """A BERT of one label whose sign is that of its token types: a cross-encoder that needs them."""
    model, texts = tiny_text_model("BertForSequenceClassification", num_labels=1), both_types()
    with torch.no_grad():
        model.bert.embeddings.token_type_embeddings.weight[1] *= 5
        types = model.bert(**texts).pooler_output
        zeros = model.bert(texts["input_ids"], texts["attention_mask"]).pooler_output
        direction = (types - zeros).mean(dim=0)
        model.classifier.weight.copy_(direction[None])
        model.classifier.bias.fill_(-float(direction @ (types + zeros).mean(dim=0)) / 2)
    return model


def both_types() -> dict[str, torch.Tensor]:
    """Three pairs, the second text of each of type 1."""
    texts = tiny_texts([SEQUENCE_LENGTH, 31, 12], seed=4)
    second = (torch.arange(SEQUENCE_LENGTH) >= 5).long() * texts["attention_mask"]
    return {**texts, "token_type_ids": second}


@dataclass(frozen=True)
class Graphs:
    model: Any
    merged: Any
    runtimes: dict[str, Runtime]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    folder, model = tmp_path_factory.mktemp("pairs"), flipping_model()
    untouched, merged = compress(model, method="none"), compress(model, ratio=0.9)
    for name, each in (("none", untouched), ("merged", merged)):
        export_onnx(each, folder / f"{name}.onnx", outputs=[LOGITS])
    return Graphs(
        model,
        merged,
        {
            "transformers": PyTorchRuntime(model, [LOGITS]),
            "PyTorch merged": PyTorchRuntime(merged, [LOGITS]),
            "onnxruntime none": OnnxRuntime(folder / "none.onnx", threads=1),
            "onnxruntime merged": OnnxRuntime(folder / "merged.onnx", threads=1),
        },
    )


def arrays(texts: dict[str, torch.Tensor]) -> dict[str, Any]:
    return {name: value.numpy() for name, value in texts.items()}


def test_a_cross_encoder_says_what_transformers_says(graphs: Graphs) -> None:
    texts = both_types()
    with torch.no_grad():
        wanted = graphs.model(**texts).logits.numpy()
        without = graphs.model(texts["input_ids"], texts["attention_mask"]).logits.numpy()
    assert (np.sign(wanted) != np.sign(without)).all()  # the label flips where the types are lost
    for name in ("transformers", "onnxruntime none"):
        runtime = graphs.runtimes[name]
        given = arrays(texts)
        np.testing.assert_allclose(runtime.run(given).outputs[LOGITS], wanted, atol=1e-5)
        given.pop("token_type_ids")
        np.testing.assert_allclose(runtime.run(given).outputs[LOGITS], without, atol=1e-5)


def test_merged_too_the_label_is_that_of_the_types(graphs: Graphs) -> None:
    texts = both_types()
    with torch.no_grad():
        wanted = graphs.model(**texts).logits.numpy()
    for name in ("PyTorch merged", "onnxruntime merged"):
        found = graphs.runtimes[name].run(arrays(texts)).outputs[LOGITS]
        np.testing.assert_array_equal(np.sign(found), np.sign(wanted))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("attention_mask", 0, 'text 1 of 3 begins with padding .*padding_side="right" of the tokenizer'),
        ("input_ids", 50, r"its input input_ids holds 50, and the model's token ids are 0 to 49"),
        ("input_ids", -1, r"its input input_ids holds -1, and the model's token ids are 0 to 49"),
        ("token_type_ids", 2, r"its input token_type_ids holds 2, and the model's token types are 0 to 1"),
        ("attention_mask", 3, r"its input attention_mask holds 3, .* 0 to 1"),
    ],
)
@pytest.mark.parametrize(
    "runtime", ["transformers", "PyTorch merged", "onnxruntime none", "onnxruntime merged"]
)
def test_every_runtime_refuses_the_same(
    graphs: Graphs, runtime: str, name: str, value: int, message: str
) -> None:
    given = arrays(both_types())
    given[name] = given[name].copy()
    given[name][1, 0] = value
    with pytest.raises(InputError, match=message):
        graphs.runtimes[runtime].run(given)
    with pytest.raises(InputError, match=message):
        graphs.runtimes[runtime].prepare(given)


def test_padding_between_tokens_counts_as_it_does_in_transformers(graphs: Graphs) -> None:
    texts = both_types()
    texts["attention_mask"][:, [3, 4, 9]] = 0
    with torch.no_grad():
        wanted = graphs.model(**texts).logits.numpy()
    found = graphs.runtimes["onnxruntime none"].run(arrays(texts)).outputs[LOGITS]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_padding_between_tokens_is_merged_away_first() -> None:
    """Where there is as much padding as is merged, nothing changes, wherever it stands."""
    model = tiny_text_model("BertModel").double()  # in float32 another order of sums is seen
    merged = compress(model, r=2)  # 8 tokens in 4 layers
    texts = tiny_texts([SEQUENCE_LENGTH] * 2)
    texts["attention_mask"][:, [2, 3, 7, 11, 12, 20, 25, 33, 39]] = 0
    real = texts["attention_mask"] == 1
    with torch.no_grad():
        plain, found = (each(**texts).last_hidden_state[real] for each in (model, merged))
    assert (plain - found).abs().max() <= 1e-13 * plain.abs().max()


def test_a_model_without_token_types_takes_none(tmp_path: Path) -> None:
    model = tiny_text_model("DistilBertModel")
    export_onnx(compress(model, method="none"), tmp_path / "model.onnx", outputs=["last_hidden_state"])
    given = arrays(both_types())
    for runtime in (PyTorchRuntime(model, ["last_hidden_state"]), OnnxRuntime(tmp_path / "model.onnx")):
        with_types = runtime.run(given).outputs["last_hidden_state"]
        less = {name: value for name, value in given.items() if name != "token_type_ids"}
        np.testing.assert_array_equal(with_types, runtime.run(less).outputs["last_hidden_state"])
