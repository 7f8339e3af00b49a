"""A checkpoint's tokenizer: set to pad and cut at the end, equal to transformers', refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pitome.errors import InputError
from pitome.models.tokenizer import encode_texts, load_tokenizer
from pitome.validate.sentences import SENTENCE_PAIRS, SENTENCES

WORDS = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "The", "a", "##s", "bee", "ferry", "was", "late"),
    *("É", "e", "é", "coffee", ",", ".", "?", "中", "文", "in", "##n", "##g", "rain", "ag", "##ain"),
)
HARD_TEXTS = (
    *SENTENCES[:6],
    "",
    "  The  ferry\twas late\n",
    "Élan é É coffee, bees?",
    "中文 a中b",
    "[CLS] rain [MASK] again [SEP]",
    "zero\u0000width\u200b \ufffd\u00a0non-breaking",
    "x" * 200,
)


def model_config(**changes: Any) -> Any:
    return SimpleNamespace(**{"vocab_size": len(WORDS), "pad_token_id": 0, **changes})


def tokenizer_json(**changes: Any) -> dict[str, Any]:
    """A WordPiece tokenizer as ``save_pretrained`` writes it, cased."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return {**json.loads(tokenizer.to_str()), **changes}


def write(folder: Path, content: dict[str, Any] | None = None, **config: Any) -> Path:
    """tokenizer.json, and tokenizer_config.json where there is anything in it."""
    if content is not None:
        (folder / "tokenizer.json").write_text(json.dumps(content))
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def write_vocabulary(folder: Path, **config: Any) -> Path:
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return write(folder, **config)


def ids(folder: Path, *texts: Any, length: int = 16, **options: Any) -> list[list[int]]:
    found = load_tokenizer(folder, model_config(), length, **options).tokenizer
    assert found is not None
    return encode_texts(found, texts)["input_ids"].tolist()


def test_pairs_have_token_types_for_a_model_that_takes_them(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write(tmp_path, tokenizer_json()), model_config(), 8).tokenizer
    assert tokenizer is not None
    found = encode_texts(tokenizer, [("The ferry", "late"), "rain"], num_token_types=2)
    assert found["input_ids"].tolist() == [[2, 6, 10, 3, 12, 3, 0, 0], [2, 25, 3, 0, 0, 0, 0, 0]]
    assert found["token_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1, 0, 0], [0] * 8]
    assert found["attention_mask"].tolist() == [[1] * 6 + [0] * 2, [1] * 3 + [0] * 5]
    assert set(encode_texts(tokenizer, ["rain"])) == {"input_ids", "attention_mask"}


def test_a_type_that_the_model_has_not_is_refused(tmp_path: Path) -> None:
    content = tokenizer_json()
    content["post_processor"]["pair"][3]["Sequence"]["type_id"] = 4
    tokenizer = load_tokenizer(write(tmp_path, content), model_config(), 8).tokenizer
    assert tokenizer is not None
    with pytest.raises(InputError, match=r"the tokenizer gives the token type 4, the model has 2\."):
        encode_texts(tokenizer, [("a", "a")], num_token_types=2)


@pytest.mark.parametrize("config", [{}, {"do_lower_case": False}, {"strip_accents": True}])
def test_of_a_vocabulary_it_is_berts_own(tmp_path: Path, config: dict[str, Any]) -> None:
    """The same numbers as ``transformers.BertTokenizer`` gives from the same files."""
    from transformers import BertTokenizer

    write_vocabulary(tmp_path, **config, tokenizer_class="BertTokenizer", model_max_length=16)
    reference = BertTokenizer.from_pretrained(str(tmp_path))
    texts = [*HARD_TEXTS, *SENTENCE_PAIRS[:3]]
    tokenizer = load_tokenizer(tmp_path, model_config(), 16).tokenizer
    assert tokenizer is not None
    found = encode_texts(tokenizer, texts, num_token_types=2)
    for row, text in enumerate(texts):
        both = text if isinstance(text, tuple) else (text,)
        wanted = reference(*both, padding="max_length", truncation=True, max_length=16)
        for name in ("input_ids", "attention_mask", "token_type_ids"):
            assert found[name][row].tolist() == wanted[name], (name, text)


def test_a_length_that_nobody_set_is_taken(tmp_path: Path) -> None:
    """transformers writes it as a number of 31 digits into the file of every such tokenizer."""
    from transformers import BertTokenizer

    write_vocabulary(tmp_path)
    reference = BertTokenizer(vocab=str(tmp_path / "vocab.txt"))
    reference.save_pretrained(tmp_path)
    assert '"model_max_length": 1000000000000000019884624838656' in (
        tmp_path / "tokenizer_config.json"
    ).read_text(encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path, model_config(), 16).tokenizer
    assert tokenizer is not None
    found = encode_texts(tokenizer, HARD_TEXTS, num_token_types=2)["input_ids"]
    wanted = reference(list(HARD_TEXTS), padding="max_length", truncation=True, max_length=16)["input_ids"]
    assert found.tolist() == wanted


def test_a_vocabulary_is_said_to_be_the_source(tmp_path: Path) -> None:
    notes = load_tokenizer(write_vocabulary(tmp_path), model_config(), 16).notes
    assert notes == ("The tokenizer is BERT's WordPiece, made from vocab.txt; there is no tokenizer.json",)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"tokenizer_class": "MPNetTokenizer"}, "its tokenizer_class is MPNetTokenizer, not BERT's"),
        ({"do_basic_tokenize": False}, "its do_basic_tokenize is not true"),
        ({"never_split": ["a"]}, "it never splits some words (never_split)"),
    ],
)
def test_a_vocabulary_that_says_too_little_makes_no_tokenizer(
    tmp_path: Path, config: dict[str, Any], reason: str
) -> None:
    found = load_tokenizer(write_vocabulary(tmp_path, **config), model_config(), 16)
    assert found.tokenizer is None
    assert found.notes == (
        f"The checkpoint has vocab.txt and no tokenizer.json, and {reason}; it has no tokenizer",
    )


def test_lower_case_of_the_configuration_holds_as_in_transformers(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    write(tmp_path, tokenizer_json(), do_lower_case=True, tokenizer_class="BertTokenizer")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    found = load_tokenizer(tmp_path, model_config(), 16)
    assert found.notes == (
        "tokenizer_config.json says do_lower_case true and tokenizer.json false: the first was taken, as "
        "transformers does",
    )
    wanted = AutoTokenizer.from_pretrained(str(tmp_path))("The ferry É")["input_ids"]
    assert ids(tmp_path, "The ferry É")[0][: len(wanted)] == wanted == [2, 5, 10, 14, 3]


def test_another_class_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, tokenizer_json(), do_lower_case=True, tokenizer_class="PreTrainedTokenizerFast")
    assert ids(tmp_path, "The")[0][1] == 6
    assert load_tokenizer(tmp_path, model_config(), 16).notes == ()


def test_a_sentence_checkpoint_may_ask_for_lower_case_first(tmp_path: Path) -> None:
    write(tmp_path, tokenizer_json())
    assert ids(tmp_path, "The")[0][1] == 6
    assert ids(tmp_path, "The", lower_case=True)[0][1] == 5


def test_its_own_padding_and_cutting_are_set_aside_and_said(tmp_path: Path) -> None:
    content = tokenizer_json()
    content["padding"] = {
        **{"strategy": "BatchLongest", "direction": "Left", "pad_to_multiple_of": None, "pad_id": 0},
        **{"pad_type_id": 0, "pad_token": "[PAD]"},
    }
    content["truncation"] = {
        **{"direction": "Left", "max_length": 5, "strategy": "LongestFirst", "stride": 0},
    }
    write(tmp_path, content)
    assert ids(tmp_path, "rain", "The ferry was late .", length=6) == [
        [2, 25, 3, 0, 0, 0],
        [2, 6, 10, 11, 12, 3],
    ]
    assert load_tokenizer(tmp_path, model_config(), 6).notes == (
        "The tokenizer pads in front of the texts; here they are padded behind, because the class token "
        "stands first",
        "The tokenizer cuts texts at their beginning; here they are cut at their end",
        "The tokenizer's own setting cuts texts to 5 tokens; here they are padded and cut to 6 "
        "(SEQUENCE_LENGTH)",
    )


def test_a_side_in_the_configuration_is_said_too(tmp_path: Path) -> None:
    write(tmp_path, tokenizer_json(), padding_side="left")
    (note,) = load_tokenizer(tmp_path, model_config(), 6).notes
    assert note.startswith("The tokenizer pads in front of the texts; here they are padded behind")
    assert ids(tmp_path, "rain", length=4) == [[2, 25, 3, 0]]


def test_no_files_no_tokenizer(tmp_path: Path) -> None:
    found = load_tokenizer(tmp_path, model_config(), 16)
    assert (found.tokenizer, found.notes) == (None, ())


def without_separator(content: dict[str, Any]) -> dict[str, Any]:
    del content["post_processor"]["special_tokens"]["[SEP]"]
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            without_separator(tokenizer_json()),
            "its template (single) names the token '[SEP]', which its special_tokens lack. Fetch the file "
            "again, or add the token there",
        ),
        (
            tokenizer_json(
                post_processor={
                    "type": "Sequence",
                    "processors": [without_separator(tokenizer_json())["post_processor"]],
                }
            ),
            "its template (single) names the token '[SEP]', which its special_tokens lack. Fetch the file "
            "again, or add the token there",
        ),
        (tokenizer_json(model={"type": "Unheard"}), "it can't be read ("),
        ({}, "it can't be read ("),
    ],
    ids=["template", "template in a sequence", "unknown model", "empty"],
)
def test_a_damaged_tokenizer(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        load_tokenizer(write(tmp_path, content), model_config(), 16)
    assert str(error.value).startswith(f"the tokenizer {tmp_path / 'tokenizer.json'}: {message}")


def test_a_template_that_gives_a_token_behind_the_vocabulary(tmp_path: Path) -> None:
    content = tokenizer_json()
    content["post_processor"]["special_tokens"]["[SEP]"]["ids"] = [99]
    with pytest.raises(InputError, match=r"tokenizer\.json: its token 'None' has the number 99, and"):
        load_tokenizer(write(tmp_path, content), model_config(), 8)


def test_what_the_library_panics_on_is_our_error() -> None:
    """A panic is no Exception, and would go through everything as an interrupt does."""
    from tokenizers import Tokenizer

    damaged = Tokenizer.from_str(json.dumps(without_separator(tokenizer_json())))
    with pytest.raises(InputError, match=r"texts to encode: the tokenizer fails \(no entry found for key\)"):
        encode_texts(damaged, ["a"])


def test_a_length_without_room_for_a_pair(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(write(tmp_path, tokenizer_json()), model_config(), 2).tokenizer
    assert tokenizer is not None
    assert encode_texts(tokenizer, ["late"])["input_ids"].tolist() == [[2, 3]]
    with pytest.raises(InputError) as error:
        encode_texts(tokenizer, [("late", "rain")])
    assert str(error.value) == (
        "texts to encode: one has 5 tokens after it was cut to 2: those at its ends alone are more. "
        "Choose a larger SEQUENCE_LENGTH"
    )


def test_more_tokens_than_the_model_has(tmp_path: Path) -> None:
    write(tmp_path, tokenizer_json())
    with pytest.raises(InputError) as error:
        load_tokenizer(tmp_path, model_config(vocab_size=26), 16)
    assert str(error.value) == (
        f"the tokenizer {tmp_path / 'tokenizer.json'}: its token 'ag' has the number 26 and 1 more, and the "
        "model knows 26 tokens, 0 to 25. Give the tokenizer that belongs to the model; where tokens were "
        "added, save the model after model.resize_token_embeddings(len(tokenizer))"
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"do_lower_case": "yes"}, "its do_lower_case is 'yes', not true or false. Correct the file"),
        ({"padding_side": "top"}, "its padding_side is 'top', not left or right. Correct the file"),
        ({"strip_accents": 1}, "its strip_accents is 1, not true or false. Correct the file"),
        ({"cls_token": 7}, "its cls_token is 7, not a token. Correct the file"),
    ],
)
def test_refused_settings(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        load_tokenizer(write_vocabulary(tmp_path, **config), model_config(), 16)
    assert str(error.value) == f"the file {tmp_path / 'tokenizer_config.json'}: {message}"


def test_a_vocabulary_without_the_tokens_of_every_text(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\na\n")
    with pytest.raises(InputError, match=r"vocab\.txt: it has no token \[CLS\], \[SEP\]\. Give"):
        load_tokenizer(tmp_path, model_config(), 16)


def test_a_vocabulary_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"vocab\.txt: it can't be read"):
        load_tokenizer(tmp_path, model_config(), 16)
