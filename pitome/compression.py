"""compress(model, ...): a module with the same signature and parameters that merges tokens inside."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from torch import nn

from pitome.compressed_model import CompressedModel
from pitome.errors import InputError
from pitome.flops import FlopsCount, count_flops
from pitome.input_checks import prepare_texts, refuse_what_is_lost
from pitome.merged_layers import MergedLayers
from pitome.merged_tokens import return_merged_tokens
from pitome.methods import Method, make_method
from pitome.models.families import family_of
from pitome.models.family import Family, ModelShape
from pitome.models.text import TextFamily
from pitome.option import wrong_type
from pitome.schedule import TokenSchedule
from pitome.settings import MergeSettings, ScheduleOptions
from pitome.value_types import has_type

Tokens = Literal["unmerged", "merged"]
DEFAULT_SCHEDULE = ScheduleOptions()


@dataclass(frozen=True)
class Compression:
    """How a model was compressed; found as ``model.compression``."""

    family: Family
    shape: ModelShape
    schedule: TokenSchedule
    method: Method
    flops: FlopsCount

    @property
    def settings(self) -> MergeSettings:
        """The user's settings, and the method's own where none was chosen."""
        return self.method.settings


def compress(
    model: nn.Module,
    schedule: TokenSchedule | ScheduleOptions | None = None,
    settings: MergeSettings | None = None,
    *,
    ratio: float | None = None,
    r: int | Sequence[int] | None = None,
    flops: float | None = None,
    method: str | None = None,
    tokens: Tokens = "unmerged",
    sequence_length: int | None = None,
) -> CompressedModel:
    """Make a model merge tokens in its blocks.

    The given model is left as it is; the new one shares its parameters, keeps its forward signature and
    takes any batch size. With a schedule that merges nothing it computes the very same.

    Args:
        model: a ``transformers`` model of a known family.
        schedule: tokens merged per layer, or the options that lead to them; default: the method's own keep
            ratio, usually 0.9.
        settings: which tokens merge; default: those of the method ``pitome``.
        ratio: short for ``ScheduleOptions(ratio=...)``: keep ratio per layer.
        r: short for ``ScheduleOptions(r=...)``: tokens merged in each layer, or one count per layer.
        flops: short for ``ScheduleOptions(flops=...)``: wanted fraction of the model's FLOPs.
        method: short for ``MergeSettings(method=...)``.
        tokens: "unmerged" keeps every token output's shape, "merged" returns ``MergedTokensOutput``.
        sequence_length: L of every text; default: what the model was loaded with, else all its positions.

    Raises:
        InputError: a model without blocks we know, or options that do not fit it.
    """
    _check_types(model, schedule, settings, tokens, sequence_length)
    family = family_of(model)
    _refuse_compressed(model)
    family.check_model(model)
    if tokens == "merged":
        family.check_short_form(model)
    if sequence_length is not None:
        model = _with_sequence_length(model, family, sequence_length)
    sizes = family.shape(model)
    chosen = make_method(_settings(settings, method), family, sizes.num_layers)
    planned = _schedule(schedule, ratio, r, flops)
    if not isinstance(planned, TokenSchedule):
        planned = choose_schedule(sizes, chosen, planned)
    if family.causal and not planned.merges_nothing:
        raise InputError(
            f"merges in a {type(model).__name__}",
            "it is causal: a token sees only those in front of it, and a merged one would stand at several "
            "places",
            "Compress its vision tower, or choose METHOD=none",
        )
    compression = describe_compression(family, sizes, chosen, planned)

    compressed = _copy_sharing_parameters(model)
    blocks = family.layers(compressed)
    (place,) = (name for name, part in compressed.named_modules() if part is blocks)
    mergers = chosen.mergers(planned)
    stack = MergedLayers(list(blocks), family, planned, chosen.settings, mergers, tokens == "unmerged")
    compressed.set_submodule(place, stack)
    compressed.register_forward_pre_hook(refuse_what_is_lost, with_kwargs=True)
    if family.modality == "text":
        compressed.register_forward_pre_hook(prepare_texts, with_kwargs=True)
    compressed.compression = compression  # type: ignore[assignment]
    if tokens == "merged":
        return_merged_tokens(compressed)
    return cast(CompressedModel, compressed)


def choose_schedule(
    model_shape: ModelShape, method: Method, options: ScheduleOptions = DEFAULT_SCHEDULE
) -> TokenSchedule:
    """The schedule that the options ask for; the method's own keep ratio where they ask for none.

    Raises:
        InputError: options that do not fit the model.
    """
    method.check_schedule(options)
    sizes = (model_shape.num_layers, model_shape.num_tokens, model_shape.num_protected)
    if not method.merges:
        return TokenSchedule.from_ratio(1.0, *sizes)
    if isinstance(options.r, tuple):
        return TokenSchedule.from_list(options.r, *sizes)
    layers = method.default_layers if options.layers is None else options.layers
    if options.r is not None:
        return TokenSchedule.from_constant(options.r, *sizes, layers)
    if options.flops is not None:
        width = method.metric_width(model_shape.hidden_size, model_shape.head_width)
        return TokenSchedule.from_flops(
            options.flops,
            lambda schedule: count_flops(model_shape, schedule, width).ratio,
            *sizes,
            layers,
            options.shape or "ratio",
        )
    ratio = method.default_ratio if options.ratio is None else options.ratio
    return TokenSchedule.from_ratio(ratio, *sizes, layers)


def describe_compression(
    family: Family, shape: ModelShape, method: Method, schedule: TokenSchedule
) -> Compression:
    """Check a schedule against a model's sizes and count the FLOPs."""
    found = (len(schedule.num_merged), schedule.num_tokens, schedule.num_protected)
    needed = (shape.num_layers, shape.num_tokens, shape.num_protected)
    if found != needed:
        raise InputError(
            "a schedule for {} layers, {} tokens, {} of them protected".format(*found),
            "the model has {} layers, {} tokens, {} of them protected".format(*needed),
            "Make a schedule for this model",
        )
    if not method.merges and not schedule.merges_nothing:
        raise InputError(
            f"METHOD={method.name} with a schedule that merges tokens",
            "it merges none",
            "Leave the schedule out",
        )
    if method.needs_class_attention:
        raise InputError(
            f"METHOD={method.name}",
            "it decides by the class token's attention, which the blocks do not hand on",
            "Choose a method that decides by similarity",
        )
    width = method.metric_width(shape.hidden_size, shape.head_width)
    return Compression(family, shape, schedule, method, count_flops(shape, schedule, width))


def _check_types(
    model: object, schedule: object, settings: object, tokens: object, sequence_length: object
) -> None:
    """Refuse (InputError) arguments of another type; the records check their own fields."""
    if not isinstance(model, nn.Module):
        raise InputError(
            f"a {type(model).__name__} to compress",
            "it is no PyTorch module",
            "Give a model of the transformers library, such as ViTModel.from_pretrained(...)",
        )
    for name, value, wanted in (
        ("SCHEDULE", schedule, TokenSchedule | ScheduleOptions | None),
        ("SETTINGS", settings, MergeSettings | None),
        ("TOKENS", tokens, Tokens),
        ("SEQUENCE_LENGTH", sequence_length, int | None),
    ):
        if not has_type(value, wanted):
            raise wrong_type(name, value, wanted)


def _settings(settings: MergeSettings | None, method: str | None) -> MergeSettings:
    if method is not None and not isinstance(method, str):
        raise wrong_type("METHOD", method, str)
    if settings is None:
        return MergeSettings() if method is None else MergeSettings(method)
    if method not in (None, settings.method):
        raise InputError(
            f"METHOD={method} with settings of the method {settings.method}",
            "they say the same thing twice",
            "Give one of them",
        )
    return settings


def _schedule(
    schedule: TokenSchedule | ScheduleOptions | None,
    ratio: float | None,
    r: int | Sequence[int] | None,
    flops: float | None,
) -> TokenSchedule | ScheduleOptions:
    if isinstance(r, bytes):  # a sequence of numbers to Python
        raise wrong_type("R", r, int | tuple[int, ...])
    counts = tuple(r) if isinstance(r, Sequence) and not isinstance(r, str) else r
    short = ScheduleOptions(ratio, counts, flops)
    if schedule is None:
        return short
    if short.given():
        raise InputError(
            "a schedule and ratio, r or flops", "they say the same thing twice", "Give one of them"
        )
    return schedule


def _copy_sharing_parameters(model: nn.Module) -> nn.Module:
    shared: dict[int, Any] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared)


def _with_sequence_length(model: nn.Module, family: Family, length: int) -> nn.Module:
    if not isinstance(family, TextFamily):
        raise InputError(
            f"SEQUENCE_LENGTH={length} for a {type(model).__name__}",
            "it takes images",
            "Leave SEQUENCE_LENGTH out",
        )
    model = _copy_sharing_parameters(model)
    family.set_sequence_length(model.config, length)
    return model


def _refuse_compressed(model: Any) -> None:
    if any(isinstance(part, MergedLayers) for part in model.modules()):
        raise InputError(
            f"a {type(model).__name__} to compress",
            "it is compressed already",
            "Compress the model that it was made from, whose parameters it shares",
        )
