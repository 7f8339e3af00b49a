"""What a compressed model's forward is given: checked, and for texts prepared, before anything runs.

Each function is a forward pre-hook of ``torch.nn`` and finds ``model.compression``.
"""

from __future__ import annotations

from inspect import signature
from typing import Any

import torch
from torch import Tensor

from pitome.errors import InputError
from pitome.models.family import height_and_width
from pitome.text_inputs import ATTENTION_MASK, INPUT_IDS, TOKEN_TYPE_IDS


def refuse_what_is_lost(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse (InputError) images of another size, and to return what has another length in each layer."""
    given = _named(model, args, kwargs)
    for name, what in (
        ("output_hidden_states", "per-layer hidden states"),
        ("output_attentions", "attention maps"),
    ):
        if given.get(name) or (given.get(name) is None and getattr(model.config, name, False)):
            raise InputError(
                f"{name}=True",
                f"the {what} of a compressed model have another number of tokens in each layer",
                "Ask the unmerged model for them",
            )
    if model.compression.family.modality == "text":
        return
    if given.get("attention_mask") is not None:
        raise InputError(
            "an attention mask for a compressed vision model",
            "tokens move while they merge, so a mask of positions cannot be kept",
            "Leave attention_mask out",
        )
    if given.get("pixel_values") is not None:
        _check_images(model, given["pixel_values"])


def _named(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(signature(type(model).forward).parameters, (model, *args), strict=False)) | kwargs


def prepare_texts(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Check the texts, and make their mask [B, L] into the bool [B, 1, 1, L] that every block takes; of a
    causal model it is [B, 1, L, L].

    Padding is set to the model's own padding token: a real token may choose a padding one as its target, so
    what stands there must not depend on who padded the text (METHOD.md section 4). In a causal model nothing
    merges and no token sees the padding behind it, so that stays as it is.
    """
    given = _named(model, args, kwargs)
    given.pop("self", None)
    length = model.compression.schedule.num_tokens
    tokens = given.get(INPUT_IDS) if given.get(INPUT_IDS) is not None else given.get("inputs_embeds")
    if tokens is None or tokens.shape[1] != length:
        raise InputError(
            f"texts of shape {None if tokens is None else tuple(tokens.shape)}",
            f"the model was compressed for [B, {length}]",
            "Pad and cut the texts to that length, or load the model with another SEQUENCE_LENGTH",
        )
    mask = given.get(ATTENTION_MASK)
    if mask is None:
        mask = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
    elif tuple(mask.shape) != tuple(tokens.shape[:2]):
        raise InputError(
            f"an attention mask of shape {tuple(mask.shape)}",
            f"the texts are {tuple(tokens.shape[:2])}",
            "Give 1 for every token and 0 for padding",
        )
    mask = mask != 0
    # While it is traced there is no value to look at; an exported graph trusts its caller.
    if not torch.compiler.is_compiling() and not bool(mask[:, 0].all()):
        raise InputError(
            "texts whose first token is padding",
            "the class token stands there, and a text of padding only has nothing to compute",
            'Pad behind the texts (padding_side="right" of the tokenizer), and leave empty texts out',
        )
    if model.compression.family.causal:
        given[ATTENTION_MASK] = mask[:, None, None, :] & mask.new_ones(length, length).tril()
        return (), given
    blank = {INPUT_IDS: model.config.pad_token_id or 0, TOKEN_TYPE_IDS: 0}
    for name, value in blank.items():
        if given.get(name) is not None:
            given[name] = given[name].masked_fill(~mask, value)
    if given.get("inputs_embeds") is not None:
        given["inputs_embeds"] = given["inputs_embeds"].masked_fill(~mask.unsqueeze(-1), 0)
    given[ATTENTION_MASK] = mask[:, None, None, :]
    return (), given


def _check_images(model: Any, pixels: Tensor) -> None:
    config = model.compression.family.vision_config(model.config)
    height, width = height_and_width(config.image_size)
    if pixels.dim() != 4 or tuple(pixels.shape[2:]) != (height, width):
        raise InputError(
            f"images of shape {tuple(pixels.shape)}",
            f"the model was compressed for [B, {config.num_channels}, {height}, {width}]",
            "Resize the images, or load the model with another IMAGE_SIZE",
        )
