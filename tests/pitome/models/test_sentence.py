"""The vector of a text: sentence-transformers' formulas, written anew in NumPy, against model and graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from pitome import compress
from pitome.errors import InputError
from pitome.export.onnx import export_onnx
from pitome.models.loading import LoadedModel, load_model
from pitome.runtime.onnxruntime import OnnxRuntime
from tests.pitome.models.sentence_checkpoint import (
    CLS,
    MAX,
    MEAN,
    dense,
    write_json,
    write_sentence_checkpoint,
)
from tests.tiny_models import VOCABULARY, tiny_text_model

Floats = Any
LENGTH = 24
SEVERAL = {
    "word_embedding_dimension": 32,
    "pooling_mode_cls_token": True,
    "pooling_mode_max_tokens": True,
    "pooling_mode_mean_tokens": True,
    "pooling_mode_mean_sqrt_len_tokens": True,
}
IDENTITY = "torch.nn.modules.linear.Identity"


def texts() -> dict[str, torch.Tensor]:
    """A full text, a half one, and a class token alone."""
    ids = torch.randint(4, VOCABULARY, (3, LENGTH), generator=torch.Generator().manual_seed(2))
    mask = (torch.arange(LENGTH) < torch.tensor([LENGTH, 13, 1])[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}


def mean_of(tokens: Floats, mask: Floats) -> Floats:
    return np.stack([row[kept == 1].mean(axis=0) for row, kept in zip(tokens, mask, strict=True)])


def max_of(tokens: Floats, mask: Floats) -> Floats:
    return np.stack([row[kept == 1].max(axis=0) for row, kept in zip(tokens, mask, strict=True)])


def several_of(tokens: Floats, mask: Floats) -> Floats:
    root = np.sqrt(mask.sum(axis=1, keepdims=True))
    mean = mean_of(tokens, mask)
    return np.concatenate([tokens[:, 0], max_of(tokens, mask), mean, mean * root], axis=1)


def unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def linear(folder: Path, number: int, vectors: Floats) -> Floats:
    tensors = load_file(folder / f"{number}_Dense" / "model.safetensors")
    bias = tensors.get("linear.bias", np.zeros(1))
    return vectors @ tensors["linear.weight"].T.astype(np.float64) + bias


@dataclass(frozen=True)
class Case:
    """What a checkpoint says, and what that means."""

    pooling: dict[str, Any]
    after: tuple[dict[str, Any] | None, ...]
    formula: Callable[[Path, Floats, Floats], Floats]
    """(folder, tokens [B, N, C], mask [B, N]) -> [B, D]."""


CASES = {
    "mean, normalised": Case(MEAN, (None,), lambda _, tokens, mask: unit(mean_of(tokens, mask))),
    "cls": Case(CLS, (), lambda _, tokens, mask: tokens[:, 0]),
    "max": Case(MAX, (), lambda _, tokens, mask: max_of(tokens, mask)),
    "mean, dense, normalised": Case(
        MEAN,
        (dense(32, 16), None),
        lambda folder, tokens, mask: unit(np.tanh(linear(folder, 2, mean_of(tokens, mask)))),
    ),
    "cls, normalised, two dense": Case(
        CLS,
        (
            None,
            dense(32, 8, bias=False, activation_function=IDENTITY),
            dense(8, 5, activation_function="torch.nn.modules.activation.Sigmoid"),
        ),
        lambda folder, tokens, mask: (
            1 / (1 + np.exp(-linear(folder, 4, linear(folder, 3, unit(tokens[:, 0])))))
        ),
    ),
    "four side by side": Case(SEVERAL, (), lambda _, tokens, mask: several_of(tokens, mask)),
    "written by the newest version": Case(
        {"embedding_dimension": 32, "pooling_mode": ["max", "cls"], "include_prompt": True},
        (),
        lambda _, tokens, mask: np.concatenate([max_of(tokens, mask), tokens[:, 0]], axis=1),
    ),
}


def encoder_tokens(model: str = "BertModel") -> tuple[Floats, Floats]:
    """The plain encoder's tokens of `texts`, and their mask."""
    given = texts()
    if model.startswith("Distil"):
        del given["token_type_ids"]
    with torch.no_grad():
        tokens = tiny_text_model(model)(**given).last_hidden_state
    return tokens.double().numpy(), given["attention_mask"].numpy()


@pytest.mark.parametrize("name", CASES)
def test_the_vector_is_the_librarys(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    write_sentence_checkpoint(tmp_path, case.pooling, case.after)
    loaded = load_model(str(tmp_path))
    assert (loaded.task, loaded.architecture, loaded.sequence_length) == (
        "text-embedding",
        "BertModel",
        LENGTH,
    )
    wanted = case.formula(tmp_path, *encoder_tokens())
    with torch.no_grad():
        plain = loaded.model(**texts())
        untouched = compress(loaded.model, method="none")(**texts())
    np.testing.assert_allclose(plain.sentence_embedding.numpy(), wanted, atol=1e-5)
    np.testing.assert_allclose(untouched.sentence_embedding.numpy(), wanted, atol=1e-5)
    assert untouched.last_hidden_state.shape == (3, LENGTH, 32)


@pytest.mark.parametrize("name", CASES)
def test_merged_tokens_pool_as_what_they_stand_for(name: str, tmp_path: Path) -> None:
    """The same formulas on the unmerged tokens, and the short form's on size and kept tokens."""
    case = CASES[name]
    write_sentence_checkpoint(tmp_path, case.pooling, case.after)
    loaded, given = load_model(str(tmp_path)), texts()
    with torch.no_grad():
        merged = compress(loaded.model, ratio=0.8)(**given)
        short = compress(loaded.model, ratio=0.8, tokens="merged")(**given)
        plain = loaded.model(**given).sentence_embedding
    tokens, mask = merged.last_hidden_state.double().numpy(), given["attention_mask"].numpy()
    wanted = case.formula(tmp_path, tokens, mask)
    np.testing.assert_allclose(merged.sentence_embedding.numpy(), wanted, atol=1e-5)
    assert short.last_hidden_state.shape[1] < LENGTH
    np.testing.assert_allclose(short.sentence_embedding.numpy(), wanted, atol=1e-5)
    assert (merged.sentence_embedding - plain)[0].abs().max() > 1e-4


def test_of_merged_tokens_the_mean_is_weighted_by_size(tmp_path: Path) -> None:
    """Not by one each: a group of three counts three times, padding never."""
    loaded = load_model(str(write_sentence_checkpoint(tmp_path, MEAN)))
    with torch.no_grad():
        short = compress(loaded.model, ratio=0.7, tokens="merged")(**texts())
    tokens, size = short.last_hidden_state.numpy(), short.size.numpy()
    np.testing.assert_allclose(
        short.sentence_embedding.numpy(), (tokens * size).sum(axis=1) / size.sum(axis=1), atol=1e-5
    )
    assert np.abs(short.sentence_embedding.numpy()[0] - tokens[0].mean(axis=0)).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("mean, dense, normalised", "BertModel"),
        pytest.param("max", "DistilBertModel", marks=pytest.mark.full),
        pytest.param("four side by side", "BertModel", marks=pytest.mark.full),
    ],
)
def test_its_graph_gives_the_vector(name: str, model: str, tmp_path: Path) -> None:
    case = CASES[name]
    write_sentence_checkpoint(tmp_path, case.pooling, case.after, model=model)
    loaded = load_model(str(tmp_path))
    outputs = loaded.family.outputs[loaded.task]
    export_onnx(compress(loaded.model, method="none"), tmp_path / "model.onnx", outputs=outputs)
    runtime = OnnxRuntime(tmp_path / "model.onnx", threads=1)
    found = runtime.run({key: value.numpy() for key, value in texts().items()}).outputs
    wanted = case.formula(tmp_path, *encoder_tokens(model))
    np.testing.assert_allclose(found["sentence_embedding"], wanted, atol=1e-5)
    assert found["last_hidden_state"].shape == (3, LENGTH, 32)


def test_an_encoder_in_a_folder_of_its_own(tmp_path: Path) -> None:
    write_sentence_checkpoint(tmp_path, MEAN, inner="0_Transformer")
    loaded = load_model(str(tmp_path))
    with torch.no_grad():
        found = loaded.model(**texts()).sentence_embedding
    np.testing.assert_allclose(found.numpy(), mean_of(*encoder_tokens()), atol=1e-5)
    assert loaded.tokenizer is not None
    assert (loaded.source, loaded.name) == (str(tmp_path), tmp_path.name)


def test_a_classifiers_encoder_is_taken_and_said(tmp_path: Path) -> None:
    write_sentence_checkpoint(tmp_path, MEAN, model="BertForSequenceClassification")
    loaded = load_model(str(tmp_path))
    assert (loaded.task, loaded.architecture) == ("text-embedding", "BertModel")
    (note,) = (note for note in loaded.notes if "modules.json" in note)
    assert note == (
        "of BertForSequenceClassification the encoder was taken, BertModel, as modules.json pools its tokens"
    )


@pytest.mark.parametrize(
    ("lengths", "asked", "found"),
    [
        ({"max_seq_length": 24}, None, 24),
        ({"max_seq_length": 24}, 12, 12),
        ({"max_seq_length": 512}, None, 40),
        ({"max_seq_length": None}, None, 40),
        ({"transformer_task": "feature-extraction"}, None, 40),
    ],
)
def test_max_seq_length_is_the_default_length(
    lengths: dict[str, Any], asked: int | None, found: int, tmp_path: Path
) -> None:
    write_sentence_checkpoint(tmp_path, MEAN, lengths=lengths)
    loaded = load_model(str(tmp_path), sequence_length=asked)
    assert loaded.sequence_length == found
    said = "max_seq_length is 512, but the model has positions for 40 tokens only"
    assert (said in loaded.notes) == (lengths.get("max_seq_length") == 512)


def test_the_tokenizers_length_where_nothing_else_says_one(tmp_path: Path) -> None:
    write_sentence_checkpoint(tmp_path, MEAN, lengths={"do_lower_case": False})
    write_json(tmp_path / "tokenizer_config.json", {"model_max_length": 20})
    assert load_model(str(tmp_path)).sequence_length == 20


def test_texts_are_made_lower_case_where_it_asks(tmp_path: Path) -> None:
    write_sentence_checkpoint(tmp_path, MEAN, lengths={"max_seq_length": 24, "do_lower_case": True})
    tokenizer = load_model(str(tmp_path)).tokenizer
    assert tokenizer is not None
    assert tokenizer.encode("THE").ids == tokenizer.encode("the").ids


def test_prompts_are_said_and_not_added(tmp_path: Path) -> None:
    write_sentence_checkpoint(tmp_path, {**MEAN, "include_prompt": False})
    prompts = {"query": "query: ", "passage": "passage: ", "none": ""}
    content = {"prompts": prompts, "default_prompt_name": "query", "similarity_fn_name": "cosine"}
    write_json(tmp_path / "config_sentence_transformers.json", content)
    loaded = load_model(str(tmp_path))
    assert [note for note in loaded.notes if "prompt" in note] == [
        "Pooling leaves the tokens of a prompt out; no prompt is put in front of texts here",
        "The checkpoint has prompts to put in front of texts (query 'query: ', passage 'passage: '; it uses "
        "query by default): texts(prompt=NAME) of pitome.load adds them, parity and validation do not",
    ]


def test_random_weights_keep_the_modules(tmp_path: Path) -> None:
    write_sentence_checkpoint(tmp_path, MEAN, (dense(32, 16), None))
    first, second = (load_model(str(tmp_path), "random") for _ in range(2))
    assert (first.task, first.random, first.sha256) == ("text-embedding", True, second.sha256)
    with torch.no_grad():
        found = first.model(**texts()).sentence_embedding
    assert found.shape == (3, 16)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))


def test_the_digest_is_of_the_dense_weights_too(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("plain", "dense", "other")]
    write_sentence_checkpoint(folders[0], MEAN)
    for folder in folders[1:]:
        write_sentence_checkpoint(folder, MEAN, (dense(32, 16),))
    tensors = {"linear.weight": torch.zeros(16, 32), "linear.bias": torch.ones(16)}
    torch.save(tensors, folders[2] / "2_Dense" / "pytorch_model.bin")
    (folders[2] / "2_Dense" / "model.safetensors").unlink()
    digests = {load_model(str(folder)).sha256 for folder in folders}
    assert len(digests) == 3


def test_dense_flops_are_counted(tmp_path: Path) -> None:
    def outside(*after: Any) -> int:
        folder = tmp_path / str(len(after))
        loaded = load_model(str(write_sentence_checkpoint(folder, MEAN, after)))
        return loaded.family.shape(loaded.model).head_flops

    assert outside(dense(32, 16)) - outside() == 32 * 16


def test_a_tuple_has_no_embedding(tmp_path: Path) -> None:
    loaded: LoadedModel = load_model(str(write_sentence_checkpoint(tmp_path, MEAN)))
    with pytest.raises(InputError, match="return_dict=False for a model with a sentence embedding"):
        loaded.model(**texts(), return_dict=False)


def test_weights_and_folder_may_be_two(tmp_path: Path) -> None:
    """Of the folder whose weights are taken, its modules hold."""
    one = write_sentence_checkpoint(tmp_path / "one", MEAN, inner="0_Transformer")
    two = write_sentence_checkpoint(tmp_path / "two", CLS, inner="0_Transformer")
    loaded = load_model(str(one), str(two))
    assert loaded.sentence is not None
    assert loaded.sentence.pooling == ("cls",)
