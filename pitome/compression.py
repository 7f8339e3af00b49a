"""compress(model, ...): a module with the same signature and parameters that merges tokens inside."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from torch import Tensor, nn
from transformers.utils import ModelOutput

from pitome.compressed_model import CompressedModel
from pitome.errors import InputError
from pitome.flops import FlopsCount, count_flops
from pitome.input_checks import prepare_texts, refuse_what_is_lost
from pitome.merged_layers import MergedLayers
from pitome.methods import MethodSettings, build_merger, resolve_settings
from pitome.methods.settings import Metric
from pitome.models.families import family_of
from pitome.models.family import Family, ModelShape
from pitome.models.text import set_sequence_length
from pitome.observe import observe_merges
from pitome.parameters import Energy, Split
from pitome.schedule import Candidates, Shape, TokenSchedule


@dataclass(frozen=True)
class Compression:
    """How a model was compressed; found as ``model.compression``."""

    family: Family
    shape: ModelShape
    schedule: TokenSchedule
    settings: MethodSettings
    flops: FlopsCount


@dataclass
class MergedTokensOutput(ModelOutput):
    """Output of a model compressed with ``tokens="merged"``."""

    last_hidden_state: Tensor | None = None
    """[B, N', C], the tokens that are left."""
    pooler_output: Tensor | None = None
    image_embeds: Tensor | None = None
    size: Tensor | None = None
    """[B, N', 1] float32, original tokens that each stands for."""
    assignment: Tensor | None = None
    """[B, N] int32, the token that each original position went to."""


def compress(
    model: nn.Module,
    schedule: TokenSchedule | None = None,
    *,
    ratio: float | None = None,
    r: int | Sequence[int] | None = None,
    flops: float | None = None,
    shape: Shape | None = None,
    layers: Sequence[int] | None = None,
    method: str = "pitome",
    metric: Metric | None = None,
    candidates: Candidates | None = None,
    size_penalty: float | None = None,
    margin: tuple[float, float] | None = None,
    energy: Energy | None = None,
    split: Split | None = None,
    proportional_attention: bool | None = None,
    tokens: Literal["unmerged", "merged"] = "unmerged",
    seed: int = 0,
    sequence_length: int | None = None,
) -> CompressedModel:
    """Make a model merge tokens in its blocks.

    The given model is left as it is; the new one shares its parameters, keeps its forward signature and
    takes any batch size. With a schedule that merges nothing it computes the very same.

    Args:
        model: a ``transformers`` model of a known family.
        schedule: tokens merged per layer; or one of
        ratio: keep ratio per layer, default 0.9,
        r: tokens merged in each layer, or a list with one count per layer,
        flops: wanted fraction of the model's FLOPs.
        shape: how that fraction is spread over the layers: "ratio" (default), "constant", "decreasing" or
            "increasing".
        layers: merge only in these layers (from 0), with ``ratio``, a number ``r`` or ``flops``.
        method: pitome, paper, authors, tome, random or none.
        metric: measure similarity on the hidden state or on the attention keys; default: the method's.
        candidates: protected fraction (float), number M, "paper" or "all"; default: the method's.
        size_penalty: default: the method's.
        margin: (start, slope): layer i of L has the margin start - slope i / L; default: the method's.
        energy: "elu" or "gaussian"; default: the method's.
        split: "alternate" or "half"; default: the method's.
        proportional_attention: default: the method's.
        tokens: "unmerged" keeps every token output's shape, "merged" returns ``MergedTokensOutput``.
        seed: of the random method.
        sequence_length: L of every text; default: what the model was loaded with, else all its positions.

    Raises:
        InputError: a model without blocks we know, or options that do not fit it.
    """
    family = family_of(model)
    _refuse_other_models(model, family)
    if sequence_length is not None:
        model = _with_sequence_length(model, family, sequence_length)
    sizes = family.shape(model)
    settings = resolve_settings(
        method,
        family,
        sizes.num_layers,
        metric=metric,
        candidates=candidates,
        size_penalty=size_penalty,
        margin=margin,
        energy=energy,
        split=split,
        proportional_attention=proportional_attention,
        seed=seed,
    )
    if schedule is None:
        schedule = choose_schedule(sizes, settings, ratio=ratio, r=r, flops=flops, shape=shape, layers=layers)
    elif (ratio, r, flops, shape, layers) != (None,) * 5:
        raise InputError(
            "a schedule and ratio, r, flops, shape or layers", "they say the same thing twice", "Give one"
        )
    compression = describe_compression(family, sizes, settings, schedule)

    compressed = _copy_sharing_parameters(model)
    blocks = family.layers(compressed)
    mergers = [
        build_merger(settings, layer, schedule.tokens[layer], schedule.num_protected, merged)
        for layer, merged in enumerate(schedule.num_merged)
    ]
    stack = MergedLayers(nn.ModuleList(blocks), family, schedule, settings, mergers, tokens == "unmerged")
    del blocks[:]
    blocks.append(stack)
    compressed.register_forward_pre_hook(refuse_what_is_lost, with_kwargs=True)
    if family.modality == "text":
        compressed.register_forward_pre_hook(prepare_texts, with_kwargs=True)
    compressed.compression = compression  # type: ignore[assignment]
    if tokens == "merged":
        compressed = _MergedTokens(compressed)
        compressed.compression = compression  # type: ignore[assignment]
    return cast(CompressedModel, compressed)


def choose_schedule(
    model_shape: ModelShape,
    settings: MethodSettings,
    *,
    ratio: float | None = None,
    r: int | Sequence[int] | None = None,
    flops: float | None = None,
    shape: Shape | None = None,
    layers: Sequence[int] | None = None,
) -> TokenSchedule:
    """The schedule that the options ask for; a keep ratio of 0.9 where they ask for none."""
    given = [
        f"{name}={value}"
        for name, value in (("RATIO", ratio), ("R", r), ("FLOPS", flops))
        if value is not None
    ]
    if len(given) > 1:
        raise InputError(
            " and ".join(given), "each of them sets the whole schedule", "Give only one of RATIO, R and FLOPS"
        )
    if shape is not None and flops is None:
        raise InputError(
            f"SHAPE={shape} without FLOPS",
            "a shape says how a FLOPs target is spread over the layers",
            "Give FLOPS too, for instance FLOPS=0.6",
        )
    sizes = (model_shape.num_layers, model_shape.num_tokens, model_shape.num_protected)
    if layers is None and isinstance(r, int | None):
        layers = settings.layers
    if settings.name == "none":
        return TokenSchedule.from_ratio(1.0, *sizes)
    if isinstance(r, int):
        return TokenSchedule.from_constant(r, *sizes, layers)
    if r is not None:
        if layers is not None:
            raise InputError(
                "R as a list together with LAYERS",
                "the list already says which layers merge",
                "Leave LAYERS out",
            )
        return TokenSchedule.from_list(r, *sizes)
    if flops is not None:
        width = settings.metric_width(model_shape.hidden_size, model_shape.head_width)
        return TokenSchedule.from_flops(
            flops,
            lambda schedule: count_flops(model_shape, schedule, width).ratio,
            *sizes,
            layers,
            shape or "ratio",
        )
    return TokenSchedule.from_ratio(0.9 if ratio is None else ratio, *sizes, layers)


def describe_compression(
    family: Family, shape: ModelShape, settings: MethodSettings, schedule: TokenSchedule
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
    if settings.name == "none" and schedule.merging_layers:
        raise InputError(
            "METHOD=none with a schedule that merges tokens", "it merges none", "Leave the schedule out"
        )
    width = settings.metric_width(shape.hidden_size, shape.head_width)
    return Compression(family, shape, schedule, settings, count_flops(shape, schedule, width))


class _MergedTokens(nn.Module):
    """Adds size and assignment to a compressed model's output."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        if not hasattr(model, "config") or "Classification" in type(model).__name__:
            raise InputError(
                'tokens="merged"',
                f"a {type(model).__name__} returns no tokens",
                'Compress the model without its classifier, or leave tokens="unmerged"',
            )

    def forward(self, *args: Any, **kwargs: Any) -> MergedTokensOutput:
        """The model's output in the short form."""
        with observe_merges(keep_metric=False) as observer:
            output = self.model(*args, **kwargs)
        return MergedTokensOutput(
            last_hidden_state=output.last_hidden_state,
            pooler_output=getattr(output, "pooler_output", None),
            image_embeds=getattr(output, "image_embeds", None),
            size=observer.size,
            assignment=observer.assignment,
        )


def _copy_sharing_parameters(model: nn.Module) -> nn.Module:
    shared: dict[int, Any] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return copy.deepcopy(model, shared)


def _with_sequence_length(model: nn.Module, family: Family, length: int) -> nn.Module:
    if family.modality != "text":
        raise InputError(
            f"SEQUENCE_LENGTH={length} for a {type(model).__name__}",
            "it takes images",
            "Leave SEQUENCE_LENGTH out",
        )
    model = _copy_sharing_parameters(model)
    set_sequence_length(model.config, length)
    return model


def _refuse_other_models(model: Any, family: Family) -> None:
    if any(isinstance(part, MergedLayers) for part in model.modules()):
        raise InputError(
            f"a {type(model).__name__} to compress",
            "it is compressed already",
            "Compress the model that it was made from, whose parameters it shares",
        )
    main_input = getattr(model, "main_input_name", "")
    if family.modality == "text":
        if getattr(model.config, "is_decoder", False):
            raise InputError(
                f"a {type(model).__name__} to compress",
                "it is a decoder, whose tokens must not see those behind them",
                "Give an encoder",
            )
    elif main_input != "pixel_values":
        raise InputError(
            f"a {type(model).__name__} to compress",
            f"its main input is {main_input}, so it is more than an image encoder",
            "Give its vision tower, for CLIP a CLIPVisionModelWithProjection",
        )
