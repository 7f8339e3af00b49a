"""What a ``config.json`` says that makes a model of a known type another one: refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pitome.errors import InputError
from pitome.models.families import all_families, family_of_type
from pitome.models.family import Family

_ASKED = "the model's config.json"
_OTHER = "Choose another checkpoint"
_DECODERS = ("ForCausalLM", "LMHeadModel", "DecoderModel", "ForImageTextToText")
_ENCODER_DECODERS = ("ForConditionalGeneration", "ForSpeechSeq2Seq", "EncoderDecoderModel")
_QUANTISED = {
    "bitsandbytes": "with transformers, model.dequantize() and save_pretrained()",
    "fp8": "choose the checkpoint in bfloat16",
}


def refuse_other_models(content: Mapping[str, Any]) -> None:
    """Refuse a quantised checkpoint, a decoder, an encoder-decoder, and settings that the library leaves out.

    Args:
        content: of the file; the type of the model may be one that no family knows.

    Raises:
        InputError: with what was found and the way out.
    """
    _refuse_quantised(content)
    vision = content.get("vision_config")
    if isinstance(vision, Mapping):
        _refuse_quantised(vision, "vision_config.")
    named = content.get("architectures")
    names = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    asked = (
        f"a model of class {', '.join(names)}" if names else f"a model of type {content.get('model_type')!r}"
    )
    if content.get("is_encoder_decoder") is True or any(name.endswith(_ENCODER_DECODERS) for name in names):
        raise InputError(
            asked,
            "it is an encoder-decoder, which writes texts; tokens are merged in encoders only",
            "Choose an encoder, such as a BERT, ViT or CLIP",
        )
    decoder = content.get("is_decoder") is True or content.get("add_cross_attention") is True
    if decoder or any(name.endswith(_DECODERS) for name in names):
        raise InputError(
            asked,
            "it is a decoder, whose tokens must not see those behind them",
            "Choose an encoder, such as a BERT, ViT or CLIP",
        )
    for key, found in _unknown_settings(content):
        raise InputError(_ASKED, f"its {key} {found}", _OTHER)


def _refuse_quantised(content: Mapping[str, Any], part: str = "") -> None:
    for key in ("quantization_config", "compression_config", "quantization"):
        settings = content.get(key)
        if settings is None:
            continue
        method = _method(settings)
        way = _QUANTISED.get(method.partition(" ")[0])
        raise InputError(
            "the weights of a quantised checkpoint",
            f"its config.json has a {part}{key} of {method}; tokens are merged in float weights",
            "Choose the checkpoint that it was made from" + (f", or {way}" if way else ""),
        )


def _method(settings: object) -> str:
    """The method of a quantisation, with its bits where they are told."""
    if not isinstance(settings, Mapping):
        return "an unknown method"
    method = settings.get("quant_method")
    if not isinstance(method, str):
        method = (
            "bitsandbytes"
            if any(str(key).startswith("load_in_") for key in settings)
            else "an unknown method"
        )
    if settings.get("load_in_4bit") is True:
        return f"{method} in 4 bits"
    if settings.get("load_in_8bit") is True:
        return f"{method} in 8 bits"
    bits = settings.get("bits")
    return f"{method} in {bits} bits" if isinstance(bits, int) else method


def _unknown_settings(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Settings of older versions, or of single layers, that the library would leave out without a word."""
    found = []
    positions = content.get("position_embedding_type", "absolute")
    if positions != "absolute":
        found.append(("position_embedding_type", f"is {positions!r}; only absolute ones are known"))
    if content.get("pruned_heads"):
        found.append(("pruned_heads", "takes single heads out of layers, whose sizes then differ"))
    if content.get("per_layer_config"):
        found.append(("per_layer_config", "makes single layers differ from the others"))
    return found


def code_note(content: Mapping[str, Any], architecture: str) -> tuple[str, ...]:
    """Says that code which came with the checkpoint was not run, where there is some."""
    if not content.get("auto_map"):
        return ()
    return (
        "config.json names code of its own (auto_map), which was not run: "
        f"{architecture} is that of transformers",
    )


def family_of_content(content: Mapping[str, Any]) -> Family:
    """The family of the model that a ``config.json`` describes.

    Raises:
        InputError: as `refuse_other_models`; no family knows the type, or only code that came with the
            checkpoint does.
    """
    refuse_other_models(content)
    model_type = content["model_type"]
    known = any(model_type in family.model_types for family in all_families())
    if not known and content.get("auto_map"):
        raise InputError(
            f"a model of type {model_type!r}",
            "it needs code that came with the checkpoint (auto_map), which is never run",
            "Choose a model whose class transformers has itself",
        )
    return family_of_type(model_type)
