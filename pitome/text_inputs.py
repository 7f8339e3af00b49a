"""The inputs of a text model: their names, and what a runtime takes, fills and refuses. Imports no torch.

A graph computes on whatever it is given: a negative id counts from the end of a table, and a text whose first
token is padding gives numbers that mean nothing. So every runtime of this project looks first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from pitome.errors import InputError

if TYPE_CHECKING:
    from pitome.runtime.protocol import Array

INPUT_IDS: Final = "input_ids"
ATTENTION_MASK: Final = "attention_mask"
TOKEN_TYPE_IDS: Final = "token_type_ids"  # noqa: S105 (no password)
LIMITS_KEY: Final = "pitome.input_limits"
"""Of an ONNX file's metadata_props: the JSON of ``TextInputs.limits``."""
_ANY: Final = 2**31
_WHAT = {INPUT_IDS: "token ids", TOKEN_TYPE_IDS: "token types", ATTENTION_MASK: "values of the mask"}


@dataclass(frozen=True)
class TextInputs:
    """What a model of texts takes."""

    limits: Mapping[str, int] = field(default_factory=dict)
    """Input -> the first integer that it does not take: vocabulary, number of token types, 2 for the mask."""
    length: int | None = None
    """Tokens of every text; None where it is not known or may be any."""

    @staticmethod
    def of_graph(shapes: Mapping[str, Sequence[object]], limits: str | None) -> TextInputs:
        """Of a graph or plan, by what it declares.

        Args:
            shapes: input -> its sizes, numbers where they are fixed.
            limits: JSON that the file has under ``LIMITS_KEY``; None where it has none, as of an older one.

        Raises:
            ValueError: ``limits`` is no JSON object of whole numbers.
        """
        if INPUT_IDS not in shapes:
            return TextInputs()
        known = {} if limits is None else json.loads(limits)
        if not isinstance(known, dict) or not all(type(value) is int for value in known.values()):
            raise ValueError(f"{LIMITS_KEY} is {limits}")
        usual = {INPUT_IDS: _ANY, ATTENTION_MASK: 2, TOKEN_TYPE_IDS: _ANY}
        length = shapes[INPUT_IDS][1] if len(shapes[INPUT_IDS]) == 2 else None
        return TextInputs(
            {name: known.get(name, limit) for name, limit in usual.items() if name in shapes},
            length if isinstance(length, int) else None,
        )

    @property
    def optional(self) -> frozenset[str]:
        """Inputs that are filled with zeros where they are not given."""
        return frozenset(self.limits) & {TOKEN_TYPE_IDS}

    def prepared(self, asked: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The inputs as int64, checked, with zeros for token types that are not given.

        Inputs that the model does not have are handed on as they are.

        Args:
            asked: what they are for, as an error says it.
            inputs: name -> [B, L].

        Raises:
            InputError: an input is missing, no integer, out of range or of another shape than the token ids;
                a mask with another value than 0 and 1, or with padding in front.
        """
        if not self.limits:
            return dict(inputs)
        lacking = [name for name in self.limits if name not in inputs and name not in self.optional]
        if lacking:
            raise InputError(
                asked,
                f"its input {lacking[0]} is not given; given are {', '.join(inputs) or 'none'}",
                f"Give {' and '.join(name for name in self.limits if name not in self.optional)}",
            )
        found = dict(inputs)
        given = {name: _array(asked, name, inputs[name]) for name in self.limits if name in inputs}
        shape = given[INPUT_IDS].shape
        self._check_shape(asked, shape)
        for name, limit in self.limits.items():
            if name in given:
                found[name] = _integers(asked, name, given[name], shape, limit)
            else:
                found[name] = np.zeros(shape, np.int64)
        if ATTENTION_MASK in self.limits:
            _check_mask(asked, found[ATTENTION_MASK])
        return found

    def _check_shape(self, asked: str, shape: tuple[int, ...]) -> None:
        if len(shape) == 2 and shape[1] and self.length in (None, shape[1]):
            return
        wanted = "L" if self.length is None else self.length
        raise InputError(
            asked,
            f"its input {INPUT_IDS} has the shape {list(shape)}, and the model takes [B, {wanted}]",
            "Pad and cut the texts to that length, or build the model with another SEQUENCE_LENGTH",
        )


def _array(asked: str, name: str, given: Array) -> Array:
    try:
        return np.asarray(given)
    except ValueError as error:  # lists of several lengths
        raise InputError(
            asked, f"its input {name} is no array ({error})", "Pad every text to the same length"
        ) from error


def _integers(asked: str, name: str, values: Array, shape: tuple[int, ...], limit: int) -> Array:
    # A mask of booleans says the same as one of 0 and 1.
    integer = values.dtype.kind in "iu" or (name == ATTENTION_MASK and values.dtype.kind == "b")
    if not integer:
        raise InputError(
            asked, f"its input {name} is {values.dtype}, not an integer", f"Give {name} as int64"
        )
    if values.shape != shape:
        raise InputError(
            asked,
            f"its input {name} has the shape {list(values.shape)}, and {INPUT_IDS} {list(shape)}",
            f"Give {name} one value for each token",
        )
    wrong = (values < 0) | (values >= limit)
    if wrong.any():
        raise InputError(
            asked,
            f"its input {name} holds {int(values[wrong][0])}, and the model's {_WHAT[name]} are 0 to "
            f"{limit - 1}",
            "Give 1 for every token and 0 for padding"
            if name == ATTENTION_MASK
            else "Use the tokenizer that belongs to the model",
        )
    return values.astype(np.int64, copy=False)


def _check_mask(asked: str, mask: Array) -> None:
    """Refuse texts that begin with padding; padding elsewhere, also between tokens, is masked."""
    front = mask[:, 0] == 0
    if not front.any():
        return
    row = int(np.flatnonzero(front)[0])
    if not mask[row].any():
        raise InputError(
            asked,
            f"text {row} of {len(mask)} is padding only (its {ATTENTION_MASK} is 0 everywhere)",
            "Leave empty texts out",
        )
    raise InputError(
        asked,
        f"text {row} of {len(mask)} begins with padding (its {ATTENTION_MASK} starts with 0), and the class "
        "token stands there",
        'Pad behind the texts: padding_side="right" of the tokenizer',
    )
