"""Tensors of a checkpoint that are no weights of ours: refused by name before a model is made from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from pitome.errors import InputError
from pitome.models.memory import check_memory

_BUFFER = re.compile(r"(^|\.)(position_ids|token_type_ids|num_batches_tracked)$")
"""Whole numbers that older versions stored beside the weights."""
_QUANTISED = re.compile(
    r"\.(qweight|qzeros|g_idx|scales|SCB|weight_format|absmax|quant_map|weight_scale(_inv)?|weight_packed|"
    r"weight_zero_point|input_scale|nested_absmax)$|\.quant_state\."
)
"""How gptq, awq, bitsandbytes, fp8 and compressed-tensors name what belongs to a quantised weight."""
_FETCH_ORIGINAL = "Choose the checkpoint that it was made from, with weights in float32, float16 or bfloat16"


def check_tensors(tensors: Mapping[str, Tensor], where: str) -> None:
    """Make sure that the tensors can be weights in float32.

    Args:
        tensors: name -> tensor.
        where: they come from, for the message.

    Raises:
        InputError: one is quantised, sparse, complex, of whole numbers or without values; or they do not fit
            into memory.
    """
    asked = f"the weights {where}"
    for name in sorted(tensors):
        if _QUANTISED.search(name):
            raise InputError(asked, f"they are quantised: they have a tensor {name}", _FETCH_ORIGINAL)
    check_memory(
        asked, 4 * sum(tensor.numel() for tensor in tensors.values()), "Use a machine with more memory"
    )
    for name, tensor in sorted(tensors.items()):
        found = _kind(name, tensor)
        if found is not None:
            raise InputError(asked, f"the tensor {name} {found}", _FETCH_ORIGINAL)


def _kind(name: str, tensor: Tensor) -> str | None:
    if tensor.is_quantized:
        return f"is quantised ({_type(tensor)})"
    if tensor.layout != torch.strided:
        return f"is sparse ({str(tensor.layout).removeprefix('torch.')})"
    if tensor.is_meta:
        return "has a shape and no values (it was saved from the device meta)"
    if tensor.is_complex():
        return f"is complex ({_type(tensor)})"
    if not tensor.is_floating_point() and not _BUFFER.search(name):
        return f"has whole numbers ({_type(tensor)}), which weights of a quantised checkpoint have"
    return None


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def cast_notes(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """What is lost where the weights become float32: a sentence, or none where nothing is."""
    losing = [name for name, tensor in sorted(tensors.items()) if _loses(tensor)]
    if not losing:
        return ()
    more = f" and {len(losing) - 1} more" if len(losing) > 1 else ""
    return (f"the weights are float64 and were rounded to float32 ({losing[0]}{more})",)


def _loses(tensor: Tensor) -> bool:
    if tensor.dtype != torch.float64:
        return False
    back = tensor.to(torch.float32).to(torch.float64)
    return not torch.equal(back.nan_to_num(), tensor.nan_to_num())


def check_finite(model: nn.Module, where: str) -> None:
    """Make sure that a model's tensors hold numbers.

    Raises:
        InputError: NaN or infinity, with the tensor's name.
    """
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"the weights {where}",
                f"the tensor {name} holds NaN or infinity",
                "Fetch the weights again",
            )


def set_aside(names: Iterable[str], prefix: str) -> str:
    """Tensors that were left out in words: what they belong to, and how many.

    Args:
        names: of the tensors.
        prefix: of the encoder's own tensors, such as ``bert``, left out of the words.
    """
    counts: dict[str, int] = {}
    for name in sorted(names):
        inner = name.removeprefix(f"{prefix}.")
        first, _, rest = inner.partition(".")
        place = f"{first}.{rest.partition('.')[0]}" if first in _PLACES and rest else first
        counts[place] = counts.get(place, 0) + 1
    return ", ".join(
        f"{_WORDS.get(place, place)} ({number} tensor{'s' if number > 1 else ''})"
        for place, number in counts.items()
    )


_WORDS = {
    "cls": "the heads of pretraining, cls",
    "qa_outputs": "the question-answering head, qa_outputs",
    "classifier": "the classifier",
    "pre_classifier": "the classifier's first layer",
    "pooler": "the pooler",
    "decoder": "the decoder of images",
    "text_model": "the text tower",
    "text_projection": "the text tower's projection",
    "visual_projection": "the projection of images",
    "logit_scale": "the scale of similarities, logit_scale",
}
_PLACES = ("embeddings", "encoder", "vision_model", "transformer")
"""Parts of an encoder, of which a part is told and not the whole."""
