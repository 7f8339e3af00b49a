"""modules.json and what it names: modules that can't be, and values of another type, refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pitome.errors import InputError
from pitome.models.loading import load_model
from pitome.models.sentence_files import read_sentence_modules
from tests.pitome.models.sentence_checkpoint import MEAN, TYPES, dense, write_json, write_sentence_checkpoint

OTHER_MODULES = (
    *("LSTM", "CNN", "WordEmbeddings", "BoW", "Asym", "Router", "LayerNorm", "WordWeights", "CLIPModel"),
    *("StaticEmbedding", "WeightedLayerPooling", "SpladePooling"),
)


def modules(*kinds: str) -> list[dict[str, Any]]:
    return [
        {
            "idx": number,
            "name": str(number),
            "path": f"{number}_{kind}" if number else "",
            "type": TYPES[kind],
        }
        for number, kind in enumerate(kinds)
    ]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    return write_sentence_checkpoint(folder, MEAN, (dense(32, 16), None))


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy to damage; the weights of the encoder are links."""
    for path in checkpoint.rglob("*"):
        target = tmp_path / path.relative_to(checkpoint)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        elif path.name == "model.safetensors" and path.parent == checkpoint:
            target.symlink_to(path)
        else:
            target.write_bytes(path.read_bytes())
    return tmp_path


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        load_model(str(folder))
    return str(error.value).replace(str(folder), "HERE")


def test_without_modules_it_is_no_sentence_checkpoint(tmp_path: Path) -> None:
    assert read_sentence_modules(tmp_path) is None


def test_what_is_read(checkpoint: Path) -> None:
    found = read_sentence_modules(checkpoint)
    assert found is not None
    assert (found.pooling, found.max_length, found.lower_case) == (("mean",), 24, False)
    assert (found.transformer, len(found.steps), found.normalised) == (checkpoint, 2, True)


def test_the_newest_versions_names_of_the_classes_are_known(copy: Path) -> None:
    listed = modules("Transformer", "Pooling")
    listed[0]["type"] = "sentence_transformers.base.modules.transformer.Transformer"
    listed[1]["type"] = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
    write_json(copy / "modules.json", listed)
    found = read_sentence_modules(copy)
    assert found is not None
    assert found.steps == ()


def test_a_dropout_does_nothing_when_a_model_runs(copy: Path) -> None:
    listed = modules("Transformer", "Pooling")
    listed.append(
        {"idx": 2, "name": "2", "path": "2_Dropout", "type": "sentence_transformers.models.Dropout"}
    )
    write_json(copy / "modules.json", listed)
    found = read_sentence_modules(copy)
    assert found is not None
    assert found.steps == ()


@pytest.mark.parametrize("kind", OTHER_MODULES)
def test_other_modules_are_refused_by_name(copy: Path, kind: str) -> None:
    listed = modules("Transformer", "Pooling")
    listed.append(
        {"idx": 2, "name": "2", "path": f"2_{kind}", "type": f"sentence_transformers.models.{kind}"}
    )
    write_json(copy / "modules.json", listed)
    assert refusal(copy) == (
        f"the file HERE/modules.json: module 2 is {kind} (sentence_transformers.models.{kind}), and known "
        "are Transformer, Pooling, Dense, Normalize, Dropout. Choose a checkpoint whose modules are "
        "Transformer, Pooling, Dense and Normalize"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "it lists no modules"),
        ({}, "it holds no JSON list"),
        ("Transformer", "it holds no JSON list"),
        (["Transformer"], "module 0 is 'Transformer', not an object"),
        ([{"path": ""}], "the type of module 0 is None, not the name of a class"),
        ([{"type": 3}], "the type of module 0 is 3, not the name of a class"),
        (
            [{"type": "custom_st.Transformer", "path": ""}],
            "module 0 is custom_st.Transformer, code of its own",
        ),
        (
            [{"type": TYPES["Transformer"], "path": "../other"}],
            "the path of module 0 is '../other', not a folder",
        ),
        (
            [{"type": TYPES["Transformer"], "path": "/etc"}],
            "the path of module 0 is '/etc', not a folder of the",
        ),
        (
            [{"type": TYPES["Transformer"], "path": 3}],
            "the path of module 0 is 3, not a folder of the checkpoint",
        ),
        (
            modules("Transformer"),
            "its modules are Transformer, not a Transformer, a Pooling and what follows",
        ),
        (
            modules("Pooling", "Transformer"),
            "its modules are Pooling, Transformer, not a Transformer, a Pool",
        ),
        (
            modules("Transformer", "Pooling", "Pooling"),
            "its modules are Transformer, Pooling, Pooling, not a T",
        ),
        (
            modules("Transformer", "Dense", "Pooling"),
            "its modules are Transformer, Dense, Pooling, not a Tran",
        ),
    ],
)
def test_modules_that_are_refused(copy: Path, content: Any, message: str) -> None:
    write_json(copy / "modules.json", content)
    assert refusal(copy).startswith(f"the file HERE/modules.json: {message}")


def test_the_same_key_twice(copy: Path) -> None:
    (copy / "modules.json").write_text('[{"type": "a", "type": "b"}]')
    assert "[0].type: the key stands there twice" in refusal(copy)


def test_brackets_without_end(copy: Path) -> None:
    (copy / "modules.json").write_text("[" * 100_000)
    assert refusal(copy).startswith("the file HERE/modules.json: it is no valid JSON")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {**MEAN, "pooling_mode_weightedmean_tokens": True},
            "its pooling is weightedmean, which needs every token at its own place, and merged tokens have "
            "none. Choose a checkpoint that pools by cls, max, mean, mean_sqrt_len_tokens",
        ),
        (
            {**MEAN, "pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True},
            "its pooling is lasttoken, which needs every token at its own place",
        ),
        ({"embedding_dimension": 32, "pooling_mode": "lasttoken"}, "its pooling is lasttoken, which needs"),
        ({**MEAN, "pooling_mode": "median"}, "its pooling_mode is 'median', and known are cls, max, mean"),
        ({**MEAN, "pooling_mode": []}, "its pooling_mode names no mode. Correct the file"),
        ({**MEAN, "pooling_mode": [3]}, "its pooling_mode is 3, and known are cls"),
        ({**MEAN, "pooling_mode": {"a": 1}}, "its pooling_mode is {'a': 1}, and known are cls"),
        (
            {**MEAN, "pooling_mode_mean_tokens": "yes"},
            "its pooling_mode_mean_tokens is 'yes', not true or fal",
        ),
        ({**MEAN, "pooling_mode_cls_token": 1}, "its pooling_mode_cls_token is 1, not true or false"),
        (
            {**MEAN, "pooling_mode_median_tokens": True},
            "its pooling_mode_median_tokens is True, a mode that is not known here",
        ),
        ({**MEAN, "include_prompt": "no"}, "its include_prompt is 'no', not true or false"),
        ({**MEAN, "word_embedding_dimension": -1}, "its word_embedding_dimension is -1, not a number from 1"),
        (
            {**MEAN, "word_embedding_dimension": True},
            "its word_embedding_dimension is True, not a number from",
        ),
    ],
)
def test_pooling_that_is_refused(copy: Path, content: dict[str, Any], message: str) -> None:
    write_json(copy / "1_Pooling" / "config.json", content)
    assert refusal(copy).startswith(f"the file HERE/1_Pooling/config.json: {message}")


def test_keys_of_pooling_that_are_not_known_are_said(copy: Path) -> None:
    content = {**MEAN, "pooling_mode_median_tokens": False, "temperature": 2}
    write_json(copy / "1_Pooling" / "config.json", content)
    found = read_sentence_modules(copy)
    assert found is not None
    assert found.pooling == ("mean",)
    assert found.notes == (
        "set aside of 1_Pooling/config.json, which are keys that are not known: pooling_mode_median_tokens, "
        "temperature",
    )


def test_no_mode_is_the_mean_as_in_the_library(copy: Path) -> None:
    write_json(copy / "1_Pooling" / "config.json", {"word_embedding_dimension": 32})
    found = read_sentence_modules(copy)
    assert found is not None
    assert found.pooling == ("mean",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            dense(32, 16, activation_function="os.system"),
            "its activation_function is 'os.system', and known are",
        ),
        (
            dense(32, 16, activation_function="torch.nn.Module"),
            "its activation_function is 'torch.nn.Module', a",
        ),
        (dense(32, 16, activation_function=3), "its activation_function is 3, and known are Tanh, Identity"),
        (dense(32, 16, bias="yes"), "its bias is 'yes', not true or false"),
        (dense(0, 16), "its in_features is 0, not a number from 1 to 1048575"),
        (dense(32, 10**30), "it is no valid JSON (out_features: 10000000000000000000... is beyond a whole"),
        (dense(32, 2**40), f"its out_features is {2**40}, not a number from 1 to 1048575"),
        (
            dense(32, 16, module_input_name="token_embeddings"),
            "its module_input_name is 'token_embeddings': it",
        ),
        (dense(32, 16, use_residual=True), "its use_residual is True, which is not known here"),
        ({"out_features": 3}, "its in_features is None, not a number from 1 to 1048575"),
    ],
)
def test_a_dense_that_is_refused(copy: Path, content: dict[str, Any], message: str) -> None:
    write_json(copy / "2_Dense" / "config.json", content)
    assert refusal(copy).startswith(f"the file HERE/2_Dense/config.json: {message}")


def test_a_dense_with_keys_that_are_not_known_is_taken_and_they_are_said(copy: Path) -> None:
    write_json(copy / "2_Dense" / "config.json", dense(32, 16, flavour="mint"))
    found = read_sentence_modules(copy)
    assert found is not None
    assert len(found.notes) == 1
    assert "2_Dense/config.json" in found.notes[0]
    assert "flavour" in found.notes[0]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"linear.weight": torch.zeros(16, 32)}, "they do not fit: linear.bias is missing"),
        (
            {"linear.weight": torch.zeros(16, 31), "linear.bias": torch.zeros(16)},
            "they do not fit: linear.weight is (16, 31), not (16, 32)",
        ),
        (
            {"linear.weight": torch.full((16, 32), torch.nan), "linear.bias": torch.zeros(16)},
            "the tensor weight holds NaN or infinity",
        ),
        (
            {"linear.weight": torch.zeros(16, 32), "linear.bias": torch.zeros(16), "other": torch.zeros(1)},
            "they do not fit: other is left over",
        ),
    ],
)
def test_weights_of_a_dense_that_do_not_fit(copy: Path, tensors: dict[str, Any], message: str) -> None:
    save_file(tensors, copy / "2_Dense" / "model.safetensors")
    assert message in refusal(copy)


def test_weights_of_a_dense_that_are_missing_or_code(copy: Path) -> None:
    (copy / "2_Dense" / "model.safetensors").unlink()
    assert refusal(copy).startswith("the weights in HERE/2_Dense: ")
    torch.save({"linear.weight": Path}, copy / "2_Dense" / "pytorch_model.bin")
    assert "only unrestricted pickle could read the file" in refusal(copy)


@pytest.mark.parametrize(
    ("pooling", "layer", "message"),
    [
        (
            {**MEAN, "word_embedding_dimension": 64},
            dense(32, 16),
            "pools vectors of 64 numbers, and there are t",
        ),
        (MEAN, dense(31, 16), "has a Dense of 31 numbers, and there are a vector of 32 before it"),
    ],
)
def test_widths_that_do_not_fit_together(
    copy: Path, pooling: dict[str, Any], layer: dict[str, Any], message: str
) -> None:
    write_json(copy / "1_Pooling" / "config.json", pooling)
    write_json(copy / "2_Dense" / "config.json", layer)
    assert refusal(copy).startswith(f"the sentence-transformers modules in HERE: a module {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"max_seq_length": 0}, "its max_seq_length is 0, not a number from 1"),
        ({"max_seq_length": "512"}, "its max_seq_length is '512', not a number from 1"),
        ({"max_seq_length": 1.0}, "its max_seq_length is 1.0, not a number from 1"),
        ({"do_lower_case": "no"}, "its do_lower_case is 'no', not true or false"),
    ],
)
def test_lengths_that_are_refused(copy: Path, content: dict[str, Any], message: str) -> None:
    write_json(copy / "sentence_bert_config.json", content)
    assert refusal(copy).startswith(f"the file HERE/sentence_bert_config.json: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"prompts": ["query"]}, "its prompts are ['query'], not texts by name"),
        ({"prompts": {"query": 3}}, "its prompts are {'query': 3}, not texts by name"),
        ({"prompts": {}, "default_prompt_name": "q"}, "its default_prompt_name is 'q', no"),
        ({"prompts": {"a": "b"}, "default_prompt_name": ["a"]}, "its default_prompt_name is ['a'], no"),
    ],
)
def test_prompts_that_are_refused(copy: Path, content: dict[str, Any], message: str) -> None:
    write_json(copy / "config_sentence_transformers.json", content)
    assert refusal(copy).startswith(f"the file HERE/config_sentence_transformers.json: {message}")


def test_files_that_are_missing(copy: Path) -> None:
    (copy / "1_Pooling" / "config.json").unlink()
    assert refusal(copy).startswith("the file HERE/1_Pooling/config.json: it can't be read (No such file")


def test_an_encoder_of_images_is_refused(copy: Path) -> None:
    write_json(copy / "config.json", {"model_type": "vit", "architectures": ["ViTModel"]})
    assert "which takes images" in refusal(copy)


def test_a_module_is_not_read_from_json_of_another_kind(copy: Path) -> None:
    (copy / "2_Dense" / "config.json").write_text(json.dumps([1]))
    assert refusal(copy) == "the file HERE/2_Dense/config.json: it holds no JSON object. Fetch the file again"
