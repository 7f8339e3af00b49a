"""Values of a ``config.json`` that no model can have, refused before anything is made from them.

The library finds some of them, in words of its own and after it has begun to build.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pitome.errors import InputError
from pitome.images.transform import MAX_RESIZED_PIXELS
from pitome.models.family import Family, patch_count
from pitome.models.memory import check_memory

ASKED = "the model's config.json"
_CORRECT = "Correct the file"
_SIZES = (
    "hidden_size",
    "dim",
    "num_attention_heads",
    "n_heads",
    "intermediate_size",
    "hidden_dim",
    "mlp_ratio",
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
    "num_channels",
    "projection_dim",
    "pooler_output_size",
    "encoder_stride",
)
_LARGEST = {
    "num_hidden_layers": 1_000,
    "n_layers": 1_000,
    "num_labels": 1_000_000,
    "mlp_ratio": 1_000,
}
"""Of these the library makes lists before it makes tensors; all other sizes end at 2^31 - 1."""
_PIXELS = ("image_size", "patch_size")
_SHARES = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "attention_dropout",
    "dropout",
    "qa_dropout",
    "seq_classif_dropout",
    "classifier_dropout",
    "drop_path_rate",
)
_NUMBERS = ("initializer_range", "initializer_factor", "layerscale_value", "logit_scale_init_value")
_FLAGS = (
    "qkv_bias",
    "use_swiglu_ffn",
    "use_mask_token",
    "sinusoidal_pos_embds",
    "is_decoder",
    "is_encoder_decoder",
    "add_cross_attention",
    "tie_word_embeddings",
)
_ACTIVATIONS = ("hidden_act", "activation", "pooler_act")
_PARTS = ("vision_config", "text_config", "vision_config_dict", "text_config_dict")
_OPTIONAL = {"type_vocab_size", "initializer_factor", *_SHARES, *_PARTS}
"""What may be null."""


def check_values(content: Mapping[str, Any]) -> None:
    """Make sure that every value which a model is built from is of its kind and in its range.

    Args:
        content: of the file, with its parts for image and text where it is a whole model's.

    Raises:
        InputError: with the key and the value.
    """
    for key, value, found in _problems(content):
        raise InputError(ASKED, f"its {key} is {_shown(value)}, {found}", _CORRECT)


def _problems(content: Mapping[str, Any], part: str = "") -> Iterator[tuple[str, Any, str]]:
    for key, value in content.items():
        if value is None and (key in _OPTIONAL or part + key == "text_config.projection_dim"):
            continue
        if key in _PARTS:
            if isinstance(value, Mapping):
                yield from _problems(value, f"{key}.")
            else:
                yield part + key, value, "not an object"
            continue
        found = _problem(key, value)
        if found is not None:
            yield part + key, value, found
    padding, vocabulary = content.get("pad_token_id"), content.get("vocab_size", 30522)
    if (
        padding is not None
        and part != "text_config."
        and not (_is_whole(padding) and 0 <= padding < vocabulary)
    ):
        yield f"{part}pad_token_id", padding, f"not a token from 0 to {vocabulary - 1}"


def _problem(key: str, value: Any) -> str | None:
    """What is wrong with a value, if anything is."""
    if key in _SIZES or key in _LARGEST:
        return _size_problem(value, _LARGEST.get(key, 2**31 - 1))
    if key in _PIXELS:
        sides = value if isinstance(value, list) else [value, value]
        if len(sides) != 2:
            return "not one number or two"
        return "not a size from 1 up" if any(_size_problem(each, 2**31 - 1) for each in sides) else None
    if key == "layer_norm_eps":
        return None if _is_number(value) and 0 <= value < 1 else "not a number in [0, 1)"
    if key in _SHARES:
        return None if _is_number(value) and 0 <= value <= 1 else "not a share in [0, 1]"
    if key in _NUMBERS:
        return None if _is_number(value) and value >= 0 else "not a number from 0 up"
    if key in _FLAGS:
        return None if isinstance(value, bool) else "not true or false"
    if key in _ACTIVATIONS:
        return _activation_problem(value)
    if key == "id2label":
        return _labels_problem(value)
    return None


def _size_problem(value: Any, largest: int) -> str | None:
    if not _is_whole(value) or value < 1:
        return "not a whole number from 1 up"
    return f"more than {largest:,}" if value > largest else None


def _activation_problem(value: Any) -> str | None:
    from transformers.activations import ACT2FN

    if isinstance(value, str) and value in ACT2FN:
        # One's weights are bfloat16 whatever the model's are.
        own = (str(weight.dtype) for weight in ACT2FN[value].parameters())
        halves = any(each != "torch.float32" for each in own)
        return "whose own weights can't be float32" if halves else None
    return f"no activation that the library knows; these are {', '.join(sorted(ACT2FN))}"


def _labels_problem(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not value:
        return "not a table from numbers to labels"
    if {str(number) for number in range(len(value))} != set(value):
        return f"not a table whose keys are 0 to {len(value) - 1}"
    return None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_sizes(config: Any, family: Family) -> None:
    """Make sure that the sizes of a configuration fit each other and the memory.

    Args:
        config: the library's, of one tower or of a whole model.
        family: of its blocks.

    Raises:
        InputError: heads that do not divide the channels, or more parameters than there is memory for.
    """
    sizes = family.vision_config(config)
    if sizes.hidden_size % sizes.num_attention_heads:
        raise InputError(
            ASKED,
            f"its hidden size of {sizes.hidden_size} can't be divided among {sizes.num_attention_heads} "
            "attention heads",
            _CORRECT,
        )
    check_memory(
        f"{ASKED} with {sizes.num_hidden_layers} layers of {sizes.hidden_size} channels",
        4 * least_parameters(config, family),
        "Correct the file, or use a machine with more memory",
    )


def check_positions(image_size: int, config: Any) -> None:
    """Make sure that the position embeddings of images of so many pixels fit into memory, and that there can
    be such images.

    Raises:
        InputError: they do not, or no image so large is prepared.
    """
    patches = patch_count(image_size, config.patch_size)
    check_memory(f"IMAGE_SIZE={image_size}", 4 * patches * int(config.hidden_size), "Choose a smaller one")
    if image_size**2 > MAX_RESIZED_PIXELS:
        raise InputError(
            f"IMAGE_SIZE={image_size}",
            f"images of more than {MAX_RESIZED_PIXELS} pixels are not prepared",
            "Choose a smaller one",
        )


def least_parameters(config: Any, family: Family) -> int:
    """Numbers that a model of this configuration has at least: its large matrices and tables."""
    sizes = family.vision_config(config)
    width = int(sizes.hidden_size)
    hidden = next(
        (int(getattr(sizes, name)) for name in ("intermediate_size", "hidden_dim") if hasattr(sizes, name)),
        None,
    )
    if hidden is None:
        hidden = int(sizes.mlp_ratio) * width
    blocks = int(sizes.num_hidden_layers) * (4 * width * width + 2 * width * hidden)
    if family.modality == "text":
        return blocks + (int(sizes.vocab_size) + int(sizes.max_position_embeddings)) * width
    pixels = int(sizes.num_channels) * math.prod(_sides(sizes.patch_size))
    return blocks + (pixels + patch_count(sizes.image_size, sizes.patch_size)) * width


def _sides(size: Any) -> tuple[int, int]:
    height, width = size if isinstance(size, tuple | list) else (size, size)
    return int(height), int(width)
