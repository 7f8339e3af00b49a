"""Text encoders: padding as size 0, the mask, static length, and what is refused (METHOD.md section 4)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pitome import compress, observe_merges
from pitome.errors import InputError
from tests.compressed import compress_with
from tests.merge_contract import rounding
from tests.pitome.slow_checker import unexplained
from tests.tiny_models import SEQUENCE_LENGTH, TEXT_MODELS, VOCABULARY, tiny_text_model, tiny_texts

RULES: tuple[dict[str, Any], ...] = (
    {"method": "pitome"},
    {"method": "pitome", "proportional_attention": False},
    {"method": "paper"},
    {"method": "tome"},
    {"method": "tome", "metric": "hidden", "size_penalty": 0.06},
    {"method": "authors"},
)


def real_rows(model: Any, texts: dict[str, Tensor]) -> Tensor:
    """What a model returns: logits, or the rows of all real tokens."""
    with torch.no_grad():
        output = model(**texts)
    if "logits" in output:
        return output.logits
    return output.last_hidden_state[texts["attention_mask"] == 1]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("name", TEXT_MODELS)
def test_nothing_changes_where_padding_covers_what_is_merged(name: str, rule: dict[str, Any]) -> None:
    model = tiny_text_model(name)
    merged = compress_with(model, ratio=0.9, **rule)
    removed = sum(merged.compression.schedule.num_merged)
    assert removed >= 6
    texts = tiny_texts([SEQUENCE_LENGTH - 2 * removed - 2, 5, 2])
    plain, found = real_rows(model, texts), real_rows(merged, texts)
    assert (plain - found).abs().max() <= 4 * torch.finfo(torch.float32).eps * plain.abs().max()


@pytest.mark.parametrize("name", TEXT_MODELS)
def test_full_texts_do_change(name: str) -> None:
    model, texts = tiny_text_model(name), tiny_texts([SEQUENCE_LENGTH])
    difference = real_rows(model, texts) - real_rows(compress(model, ratio=0.8), texts)
    assert difference.abs().max() > 1e-3


@pytest.mark.parametrize("name", TEXT_MODELS)
def test_a_schedule_that_merges_nothing_computes_the_very_same(name: str) -> None:
    model, texts = tiny_text_model(name), tiny_texts([SEQUENCE_LENGTH, 17, 3])
    assert torch.equal(real_rows(model, texts), real_rows(compress(model, method="none"), texts))


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(2, SEQUENCE_LENGTH), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_what_stands_behind_a_text_does_not_matter(lengths: list[int], seed: int) -> None:
    """Token ids in the padding have no influence on what real tokens become, nor on which of them merge."""
    merged = compress(tiny_text_model("BertModel"), ratio=0.85)
    texts = tiny_texts(lengths, seed)
    real = texts["attention_mask"] == 1
    noise = torch.randint(1, VOCABULARY, real.shape, generator=torch.Generator().manual_seed(1))
    other = {
        **texts,
        "input_ids": torch.where(real, texts["input_ids"], noise),
        "token_type_ids": torch.where(real, 0, 1),
    }
    assert torch.equal(real_rows(merged, texts), real_rows(merged, other))


def test_what_stands_behind_embedded_texts_does_not_matter() -> None:
    merged, texts = compress(tiny_text_model("BertModel"), ratio=0.85), tiny_texts([32, 9])
    mask = texts["attention_mask"]
    embedded = torch.randn(*mask.shape, 32, generator=torch.Generator().manual_seed(1))
    first, second = (
        real_rows(merged, {"inputs_embeds": rows, "attention_mask": mask})
        for rows in (embedded, torch.where(mask.unsqueeze(-1) == 1, embedded, 7.0))
    )
    assert torch.equal(first, second)


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(2, SEQUENCE_LENGTH), min_size=2, max_size=5), seed=st.integers(0, 99))
@example(lengths=[35, 2], seed=30)  # a tie within rounding, in which the two decide differently
def test_batch_composition_changes_a_text_by_noise_only(lengths: list[int], seed: int) -> None:
    """Given the same decisions; what a text decides alone is, within rounding, what it decides in a batch."""
    merged, texts = compress(tiny_text_model("BertModel"), ratio=0.85), tiny_texts(lengths, seed)
    parameters = [
        block for block in merged.compression.method.parameters(merged.compression.schedule) if block
    ]
    with torch.no_grad(), observe_merges() as observer:
        together = merged(**texts).last_hidden_state
    decided = [record.decided for record in observer.records]
    for row in range(len(lengths)):
        one = {name: value[row : row + 1] for name, value in texts.items()}
        with torch.no_grad(), observe_merges([layer[row : row + 1] for layer in decided]) as observer:
            alone = merged(**one).last_hidden_state[0]
        difference = (together[row] - alone)[one["attention_mask"][0] == 1].abs().max()
        assert difference <= 8 * torch.finfo(torch.float32).eps * together.abs().max()
        for record, layer, merge in zip(observer.records, decided, parameters, strict=True):
            eps = 8 * rounding(merge, record.metric.shape[2])  # the layers before have rounded, too
            assert not unexplained(layer[row : row + 1], record.metric, record.size, merge, eps)


def test_padding_is_merged_first() -> None:
    merged = compress(tiny_text_model("BertModel"), r=4)
    with torch.no_grad(), observe_merges() as observer:
        merged(**tiny_texts([20]))
    sizes = [int((record.size > 0).sum()) for record in observer.records]
    assert sizes == [20, 20, 20, 20]
    assert observer.size is not None
    assert int((observer.size > 0).sum()) == 20


def test_sizes_count_real_tokens_only() -> None:
    merged = compress(tiny_text_model("BertModel"), ratio=0.7, tokens="merged")
    output = merged(**tiny_texts([40, 23, 2]))
    assert torch.equal(output.size.sum(dim=(1, 2)), torch.tensor([40.0, 23.0, 2.0]))


def test_a_mask_that_is_left_out_masks_nothing() -> None:
    merged, texts = compress(tiny_text_model("BertModel")), tiny_texts([SEQUENCE_LENGTH] * 2)
    with torch.no_grad():
        given_mask = merged(**texts).last_hidden_state
        without = merged(texts["input_ids"]).last_hidden_state
    assert torch.equal(given_mask, without)


def test_sequence_length_is_of_the_compressed_model_only() -> None:
    model = tiny_text_model("BertModel")
    merged = compress(model, sequence_length=24)
    assert merged.compression.schedule.num_tokens == 24
    assert compress(model).compression.schedule.num_tokens == SEQUENCE_LENGTH
    short = {name: value[:, :24] for name, value in tiny_texts([24]).items()}
    assert merged(**short).last_hidden_state.shape == (1, 24, 32)


def test_authors_merge_in_the_first_three_layers() -> None:
    compression: Any = compress(tiny_text_model("BertModel"), method="authors").compression
    assert compression.schedule.merging_layers == (0, 1, 2)
    assert (compression.settings.energy, compression.settings.split) == ("gaussian", "half")
    assert compression.method.margins == (0.9, 0.9 - 0.25 / 4, 0.9 - 0.5 / 4, 0.9 - 0.75 / 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"attention_mask": torch.zeros(1, SEQUENCE_LENGTH, dtype=torch.int64)},
            "texts whose first token is padding: the class token stands there, and a text of padding only "
            'has nothing to compute. Pad behind the texts (padding_side="right" of the tokenizer), and leave '
            "empty texts out",
        ),
        (
            {"attention_mask": torch.ones(1, 3, dtype=torch.int64)},
            "an attention mask of shape (1, 3): the texts are (1, 40). "
            "Give 1 for every token and 0 for padding",
        ),
        (
            {"input_ids": torch.ones(1, 12, dtype=torch.int64)},
            "texts of shape (1, 12): the model was compressed for [B, 40]. Pad and cut the texts to that "
            "length, or load the model with another SEQUENCE_LENGTH",
        ),
        (
            {"output_hidden_states": True},
            "output_hidden_states=True: the per-layer hidden states of a compressed model have another "
            "number of tokens in each layer. Ask the unmerged model for them",
        ),
    ],
)
def test_refused_inputs(change: dict[str, Any], message: str) -> None:
    merged = compress(tiny_text_model("BertModel"))
    with pytest.raises(InputError) as error:
        merged(**{**tiny_texts([SEQUENCE_LENGTH]), **change})
    assert str(error.value) == message


def test_refused_lengths_and_models() -> None:
    model = tiny_text_model("BertModel")
    with pytest.raises(InputError) as error:
        compress(model, sequence_length=41)
    assert str(error.value) == (
        "SEQUENCE_LENGTH=41: the model has positions for 2 to 40 tokens. "
        "Choose for instance SEQUENCE_LENGTH=40"
    )
    model.config.is_decoder = True
    with pytest.raises(InputError, match="it is a decoder, whose tokens must not see those behind them"):
        compress(model)
