"""What runtimes take as a text, fill in, and refuse with the name of the input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pitome.errors import InputError
from pitome.text_inputs import TextInputs

LIMITS = {"input_ids": 50, "attention_mask": 2, "token_type_ids": 2}
TEXTS = TextInputs(LIMITS, 4)
IDS = np.array([[5, 6, 7, 0], [8, 9, 0, 0]])
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]])


def given(**changes: Any) -> dict[str, Any]:
    """Two good texts; None leaves an input out."""
    found = {"input_ids": IDS, "attention_mask": MASK, "token_type_ids": MASK - 1 + (1 - MASK), **changes}
    return {name: value for name, value in found.items() if value is not None}


def test_token_types_are_zeros_where_they_are_not_given() -> None:
    found = TEXTS.prepared("a run", given(token_type_ids=None))
    assert list(found) == ["input_ids", "attention_mask", "token_type_ids"]
    np.testing.assert_array_equal(found["token_type_ids"], np.zeros((2, 4)))
    assert found["token_type_ids"].dtype == np.int64
    assert TEXTS.optional == {"token_type_ids"}


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64])
def test_integers_of_any_width_are_the_same_texts(dtype: type) -> None:
    found = TEXTS.prepared("a run", {name: value.astype(dtype) for name, value in given().items()})
    assert {value.dtype for value in found.values()} == {np.dtype(np.int64)}
    np.testing.assert_array_equal(found["input_ids"], IDS)


def test_a_mask_of_booleans_says_the_same() -> None:
    found = TEXTS.prepared("a run", given(attention_mask=MASK == 1))
    np.testing.assert_array_equal(found["attention_mask"], MASK)


def test_padding_between_tokens_is_taken() -> None:
    mask = np.array([[1, 0, 1, 0], [1, 0, 0, 1]])
    np.testing.assert_array_equal(TEXTS.prepared("a run", given(attention_mask=mask))["attention_mask"], mask)


def test_other_inputs_and_models_of_images_are_left_alone() -> None:
    more = {"pixel_values": np.zeros((1, 3, 2, 2))}
    assert TextInputs().prepared("a run", more) == more
    assert "pixel_values" in TEXTS.prepared("a run", {**given(), **more})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"attention_mask": np.array([[1, 1, 1, 1], [0, 1, 1, 1]])},
            "a run: text 1 of 2 begins with padding (its attention_mask starts with 0), and the class token "
            'stands there. Pad behind the texts: padding_side="right" of the tokenizer',
        ),
        (
            {"attention_mask": np.array([[0, 0, 0, 0], [1, 1, 1, 1]])},
            "a run: text 0 of 2 is padding only (its attention_mask is 0 everywhere). Leave empty texts out",
        ),
        (
            {"attention_mask": MASK * 2},
            "a run: its input attention_mask holds 2, and the model's values of the mask are 0 to 1. "
            "Give 1 for every token and 0 for padding",
        ),
        (
            {"attention_mask": -MASK},
            "a run: its input attention_mask holds -1, and the model's values of the mask are 0 to 1. "
            "Give 1 for every token and 0 for padding",
        ),
        (
            {"attention_mask": MASK * 1.0},
            "a run: its input attention_mask is float64, not an integer. Give attention_mask as int64",
        ),
        (
            {"attention_mask": None},
            "a run: its input attention_mask is not given; given are input_ids, token_type_ids. "
            "Give input_ids and attention_mask",
        ),
        (
            {"input_ids": None},
            "a run: its input input_ids is not given; given are attention_mask, token_type_ids. "
            "Give input_ids and attention_mask",
        ),
        (
            {"input_ids": IDS + 45},
            "a run: its input input_ids holds 50, and the model's token ids are 0 to 49. "
            "Use the tokenizer that belongs to the model",
        ),
        (
            {"input_ids": IDS - 1},
            "a run: its input input_ids holds -1, and the model's token ids are 0 to 49. "
            "Use the tokenizer that belongs to the model",
        ),
        (
            {"input_ids": IDS == 1},
            "a run: its input input_ids is bool, not an integer. Give input_ids as int64",
        ),
        (
            {"input_ids": np.full((2, 4), "x")},
            "a run: its input input_ids is <U1, not an integer. Give input_ids as int64",
        ),
        (
            {"token_type_ids": MASK * 2},
            "a run: its input token_type_ids holds 2, and the model's token types are 0 to 1. "
            "Use the tokenizer that belongs to the model",
        ),
        (
            {"token_type_ids": MASK[:, :3]},
            "a run: its input token_type_ids has the shape [2, 3], and input_ids [2, 4]. "
            "Give token_type_ids one value for each token",
        ),
        (
            {"input_ids": IDS[:, :3]},
            "a run: its input input_ids has the shape [2, 3], and the model takes [B, 4]. Pad and cut the "
            "texts to that length, or build the model with another SEQUENCE_LENGTH",
        ),
        (
            {"input_ids": IDS[0]},
            "a run: its input input_ids has the shape [4], and the model takes [B, 4]. Pad and cut the "
            "texts to that length, or build the model with another SEQUENCE_LENGTH",
        ),
    ],
)
def test_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        TEXTS.prepared("a run", given(**changes))
    assert str(error.value) == message


def test_texts_of_several_lengths_are_no_array() -> None:
    with pytest.raises(InputError, match=r"its input input_ids is no array .*Pad every text to"):
        TEXTS.prepared("a run", given(input_ids=[[1, 2], [3]]))


def test_of_a_graph_by_its_declarations_and_what_its_file_says() -> None:
    shapes = {"input_ids": ("batch", 4), "attention_mask": ("batch", 4)}
    assert TextInputs.of_graph(shapes, '{"input_ids": 50}') == TextInputs(
        {"input_ids": 50, "attention_mask": 2}, 4
    )
    older = TextInputs.of_graph({**shapes, "token_type_ids": ("batch", 4)}, None)
    assert older.limits["input_ids"] == older.limits["token_type_ids"] == 2**31
    assert TextInputs.of_graph({"pixel_values": ("batch", 3, 8, 8)}, None) == TextInputs()


@pytest.mark.parametrize("limits", ["[1]", '{"input_ids": 1.5}', '{"input_ids": true}', "{"])
def test_limits_that_are_none(limits: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        TextInputs.of_graph({"input_ids": ("batch", 4)}, limits)
