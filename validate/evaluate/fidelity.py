"""How close merged features stay to the unmerged model's, for several rules of merging at equal cost.

Every rule has the same schedule, metric and proportional attention, so that rows differ in one thing; ToMe is
shown with and without the size penalty, because a penalty alone improves it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from pitome.compression import compress
from pitome.errors import InputError
from pitome.flops import count_flops
from pitome.methods.settings import Metric
from pitome.models.families import family_of
from pitome.models.family import ModelShape
from pitome.models.loading import LoadedModel
from pitome.schedule import Candidates, TokenSchedule
from pitome.validate.outputs import cosines, task_vectors

Progress = Callable[[str, int, int], None]
"""Called with (setting, settings done, settings in all)."""

DEFAULT_RATIOS = (0.95, 0.925, 0.9)
METRICS: tuple[Metric, ...] = ("hidden", "keys")
BATCH = 8
_OUTPUT = "last_hidden_state"
_VECTORS = {"class_token": f"{_OUTPUT}: class token", "mean_token": f"{_OUTPUT}: mean token"}


@dataclass(frozen=True)
class Rule:
    """One row of the comparison: a method, and what is changed of its settings."""

    label: str
    method: str
    candidates: Candidates | None = None
    size_penalty: float | None = None


BASELINE = Rule("ToMe", "tome", size_penalty=0.0)
RULES = (
    Rule("paper, M = 2r", "paper", size_penalty=0.0),
    BASELINE,
    Rule("ToMe, size penalty 0.06", "tome", size_penalty=0.06),
    Rule("M = all", "pitome", candidates="all", size_penalty=0.0),
    Rule("M = all, size penalty 0.06", "pitome", candidates="all", size_penalty=0.06),
    Rule("default", "pitome"),
)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScheduleFidelity(_Record):
    """A schedule that rules are compared at."""

    name: str = Field(description="such as 'keep ratio 0.9' or 'r = 18'")
    equal_to: str | None = Field(
        description="for a constant r, the keep ratio whose FLOPs it comes closest to"
    )
    num_merged: tuple[int, ...] = Field(description="tokens merged in each layer")
    flops_ratio: dict[Metric, float] = Field(description="merged / unmerged FLOPs, the merge included")


class Difference(_Record):
    """Mean of a rule's cosine minus ToMe's over the same images, metric and schedule."""

    mean: float
    two_standard_errors: float = Field(ge=0, description="views of one photo count as one cluster")

    @property
    def sign(self) -> Literal[-1, 0, 1]:
        """1 or -1 where the mean is more than two standard errors from 0, else 0."""
        if abs(self.mean) <= self.two_standard_errors:
            return 0
        return 1 if self.mean > 0 else -1


class Closeness(_Record):
    """Cosine of merged to unmerged vectors."""

    cosine: float = Field(ge=-1, le=1, description="mean over the images")
    lowest: float = Field(ge=-1, le=1, description="the worst image")
    to_tome: Difference | None = Field(description="None for plain ToMe itself")


class RuleFidelity(_Record):
    """One rule at one schedule with one metric."""

    rule: str
    method: str
    metric: Metric
    schedule: str = Field(description="name of a schedule of the report")
    candidates: Candidates = Field(description="M, or how it is chosen; the same in all layers")
    size_penalty: float
    class_token: Closeness
    mean_token: Closeness


class FidelityReport(_Record):
    """What ``pitome fidelity --json`` prints."""

    model: str
    weights: str = Field(description="sha256")
    images: int = Field(ge=2)
    photos: int = Field(ge=2, description="clusters of the standard errors")
    proportional_attention: Literal[True] = True
    schedules: tuple[ScheduleFidelity, ...] = Field(min_length=1)
    results: tuple[RuleFidelity, ...] = Field(min_length=1)


def measure_fidelity(
    loaded: LoadedModel,
    names: Sequence[str],
    images: Tensor,
    ratios: Sequence[float] = DEFAULT_RATIOS,
    progress: Progress | None = None,
) -> FidelityReport:
    """Compare every rule with the unmerged model.

    Args:
        loaded: a model with trained weights; of a classifier the encoder is compared.
        names: one per image; what stands before the first comma names the photo that it is a view of.
        images: [n, 3, S, S] float32, preprocessed for the model.
        ratios: keep ratios; for each one the constant r of closest FLOPs is measured too.
        progress: is told each setting.

    Raises:
        InputError: random weights, a ratio outside (0, 1], or views of fewer than two photos.
    """
    if loaded.random:
        raise InputError(
            f"the fidelity of {loaded.name}",
            "its weights are random, and how close random features stay says nothing of a real model",
            "Give a model with trained weights, such as vit-s14-focus",
        )
    photos = [name.partition(",")[0] for name in names]
    if len(set(photos)) < 2:
        raise InputError(
            f"fidelity on {len(set(photos))} photo",
            "a standard error needs at least two",
            "Ask for 2 or more",
        )
    model: Any = getattr(loaded.model, "base_model", loaded.model)
    schedules = comparison_schedules(family_of(model).shape(model), ratios)
    unmerged = _vectors(model, images)
    total = len(schedules) * len(METRICS) * len(RULES)
    results: list[RuleFidelity] = []
    for description, schedule in schedules:
        for metric in METRICS:
            found: dict[str, dict[str, Tensor]] = {}
            settings: dict[str, Any] = {}
            for rule in RULES:
                if progress is not None:
                    done = len(results) + len(found)
                    progress(f"{description.name}, {metric}, {rule.label}", done, total)
                compressed = compress_by_rule(model, schedule, rule, metric)
                settings[rule.label] = compressed.compression.settings
                merged = _vectors(compressed, images)
                found[rule.label] = {key: cosines(merged[key], unmerged[key]) for key in merged}
            results += [
                _result(rule, metric, description.name, settings[rule.label], found, photos) for rule in RULES
            ]
    return FidelityReport(
        model=loaded.name,
        weights=loaded.sha256,
        images=len(images),
        photos=len(set(photos)),
        schedules=tuple(description for description, _ in schedules),
        results=tuple(results),
    )


def comparison_schedules(
    shape: ModelShape, ratios: Sequence[float]
) -> list[tuple[ScheduleFidelity, TokenSchedule]]:
    """Each keep ratio, and after it the constant r of closest FLOPs; what comes out twice is kept once."""
    found: dict[str, tuple[ScheduleFidelity, TokenSchedule]] = {}
    for ratio in ratios:
        name = f"keep ratio {ratio:g}"
        schedule = TokenSchedule.from_ratio(ratio, shape.num_layers, shape.num_tokens, shape.num_protected)
        constant = equal_flops_constant(shape, schedule)
        for each, label, equal_to in (
            (schedule, name, None),
            (constant, f"r = {constant.num_merged[0]}", name),
        ):
            flops = {metric: _flops_ratio(shape, each, metric) for metric in METRICS}
            description = ScheduleFidelity(
                name=label, equal_to=equal_to, num_merged=each.num_merged, flops_ratio=flops
            )
            found.setdefault(label, (description, each))
    return list(found.values())


def equal_flops_constant(
    shape: ModelShape, schedule: TokenSchedule, metric: Metric = "hidden"
) -> TokenSchedule:
    """Of all schedules with one r for every layer, that of the closest FLOPs ratio; ties: the smaller r."""
    sizes = (shape.num_layers, shape.num_tokens, shape.num_protected)
    # In the last of L layers T - (L - 1) r tokens are left, and at most half of them can merge.
    most = (shape.num_tokens - shape.num_protected) // (shape.num_layers + 1)
    target = _flops_ratio(shape, schedule, metric)
    return min(
        (TokenSchedule.from_constant(r, *sizes) for r in range(most + 1)),
        key=lambda constant: abs(_flops_ratio(shape, constant, metric) - target),
    )


def compress_by_rule(model: nn.Module, schedule: TokenSchedule, rule: Rule, metric: Metric) -> Any:
    """The model with a rule's settings; it shares the parameters."""
    return compress(
        model,
        schedule,
        method=rule.method,
        metric=metric,
        candidates=rule.candidates,
        size_penalty=rule.size_penalty,
        proportional_attention=True,
    )


def paired_difference(values: Tensor, baseline: Tensor, photos: Sequence[str]) -> Difference:
    """Mean of values - baseline [n] and two standard errors of it, from the sums of residuals per photo.

    Views of one photo are alike, so they count as one cluster (Liang and Zeger, 1986); with one view of each
    photo this is the ordinary standard error of a mean.
    """
    difference = (values - baseline).double()
    mean = difference.mean()
    clusters = list(dict.fromkeys(photos))
    index = torch.tensor([clusters.index(photo) for photo in photos])
    sums = torch.zeros(len(clusters), dtype=torch.float64).index_add(0, index, difference - mean)
    variance = len(clusters) / (len(clusters) - 1) * sums.square().sum() / len(difference) ** 2
    return Difference(mean=float(mean), two_standard_errors=2 * float(variance.sqrt()))


def _flops_ratio(shape: ModelShape, schedule: TokenSchedule, metric: Metric) -> float:
    width = shape.hidden_size if metric == "hidden" else shape.head_width
    return count_flops(shape, schedule, width).ratio


def _vectors(model: Any, images: Tensor) -> dict[str, Tensor]:
    parts: dict[str, list[Tensor]] = {name: [] for name in _VECTORS}
    with torch.no_grad():
        for batch in images.split(BATCH):
            vectors = task_vectors(_OUTPUT, model(pixel_values=batch)[_OUTPUT])
            for name, key in _VECTORS.items():
                parts[name].append(vectors[key])
    return {name: torch.cat(values) for name, values in parts.items()}


def _result(
    rule: Rule,
    metric: Metric,
    schedule: str,
    settings: Any,
    found: Mapping[str, Mapping[str, Tensor]],
    photos: Sequence[str],
) -> RuleFidelity:
    def closeness(vector: str) -> Closeness:
        values = found[rule.label][vector].clamp(-1, 1)
        baseline = found[BASELINE.label][vector].clamp(-1, 1)
        return Closeness(
            cosine=float(values.mean()),
            lowest=float(values.min()),
            to_tome=None if rule is BASELINE else paired_difference(values, baseline, photos),
        )

    return RuleFidelity(
        rule=rule.label,
        method=rule.method,
        metric=metric,
        schedule=schedule,
        candidates=settings.candidates[0],
        size_penalty=settings.size_penalty,
        class_token=closeness("class_token"),
        mean_token=closeness("mean_token"),
    )
