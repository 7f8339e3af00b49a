"""The points of a sweep: which methods, settings and schedules are compared, in which order.

Every method gets the very same schedules. They are made for the metric that costs the most, which is the
hidden state where it is tried, so that no point exceeds the FLOPs that were asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from pitome.bundle import digest_of
from pitome.compression import choose_schedule
from pitome.errors import InputError
from pitome.flops import count_flops
from pitome.methods import EnergyMerger, MethodSettings, build_merger, resolve_settings
from pitome.methods.settings import METHOD_NAMES, Metric
from pitome.models.family import Family, ModelShape
from pitome.parameters import Energy, MergeParameters, Split
from pitome.schedule import Candidates, Shape, TokenSchedule

Margin = tuple[float, float]
"""(start, slope): start - slope i / L in layer i of L."""

SETTINGS = ("metric", "candidates", "margin", "energy", "split", "size_penalty")
TAKEN = {
    "pitome": SETTINGS,
    "paper": ("metric", "margin", "energy", "split"),
    "tome": ("metric", "size_penalty"),
    "random": (),
    "authors": (),
}
"""Which settings a method takes; the others are its own, and don't multiply its points. With M = 2r all edges
are taken, so the size penalty decides nothing."""
USUAL_MARGIN: Margin = (0.9, 0.9)


def _require(fine: bool, asked: str, found: str, remedy: str) -> None:
    if not fine:
        raise InputError(asked, found, remedy)


@dataclass(frozen=True)
class Setting:
    """Arguments of ``pitome.compress`` beside the schedule; None stands for the method's own."""

    method: str
    metric: Metric | None = None
    candidates: Candidates | None = None
    margin: Margin | None = None
    energy: Energy | None = None
    split: Split | None = None
    size_penalty: float | None = None
    proportional_attention: bool | None = None
    seed: int = 0

    def as_arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``pitome.compress``."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Grid:
    """What is tried. The first value of each setting is the one that the others are a change of.

    A point may differ from the first values in at most ``changes`` settings; schedules (FLOPs or keep ratio,
    shape, layers) and methods are combined in full. Plain ToMe (no size penalty) is always among ToMe's
    points, because every other point is compared with it.
    """

    methods: tuple[str, ...] = ("pitome", "tome", "paper", "random")
    flops: tuple[float, ...] = (0.6, 0.8)
    """Targets; fractions of the unmerged model's."""
    ratios: tuple[float, ...] = ()
    """Keep ratios; another shape than "ratio" is taken at the FLOPs that the keep ratio leads to."""
    shapes: tuple[Shape, ...] = ("ratio", "constant")
    layers: tuple[tuple[int, ...] | None, ...] = (None,)
    """Layers that may merge, from 0; None = all."""
    metrics: tuple[Metric, ...] = ("hidden", "keys")
    candidates: tuple[Candidates, ...] = (0.1, "all")
    margins: tuple[Margin | None, ...] = (None,)
    energies: tuple[Energy | None, ...] = (None,)
    splits: tuple[Split | None, ...] = (None,)
    size_penalties: tuple[float, ...] = (0.05, 0.0)
    proportional_attention: bool | None = None
    changes: int = 1
    seed: int = 0
    """Of random pairs."""

    def __post_init__(self) -> None:
        for name in ("methods", "shapes", "layers", "metrics", "candidates", "margins", "energies", "splits"):
            _require(bool(getattr(self, name)), name.upper(), "the list is empty", "Give at least one value")
        _require(
            bool(self.flops or self.ratios), "FLOPS and RATIOS", "both lists are empty", "Give one of them"
        )
        _require(bool(self.size_penalties), "SIZE_PENALTIES", "the list is empty", "Give at least one value")
        _require(self.changes >= 0, f"CHANGES={self.changes}", "negative", "Give 0 or more")
        for name, numbers in (("FLOPS", self.flops), ("RATIOS", self.ratios)):
            for number in numbers:
                _require(
                    0 < number <= 1, f"{name}={number:g}", "it lies in (0, 1]", "Choose for instance 0.6"
                )
        for method in self.methods:
            if method not in TAKEN:
                known = ", ".join(TAKEN)
                found = (
                    "the unmerged model is always in a sweep"
                    if method in METHOD_NAMES
                    else f"the methods are {known}"
                )
                raise InputError(f"METHODS={method}", found, f"Choose from {known}")


QUICK = Grid()
FULL = Grid(
    methods=("pitome", "tome", "paper", "random", "authors"),
    flops=(0.6, 0.8, 0.7, 0.5),
    shapes=("ratio", "constant", "decreasing", "increasing"),
    candidates=(0.1, "all", 0.3, 0.5),
    margins=(None, (0.9, 0.0), (0.7, 0.0), (0.5, 0.0)),
    energies=(None, "elu", "gaussian"),
    splits=(None, "alternate", "half"),
    size_penalties=(0.05, 0.0, 0.02, 0.1),
    changes=2,
)
GRIDS = {"quick": QUICK, "full": FULL}


@dataclass(frozen=True)
class PlannedSchedule:
    """A schedule, and what it was made from."""

    name: str
    """Such as "FLOPs 0.6, constant"."""
    form: Shape
    """The shape: how the merging is spread over the layers."""
    layers: tuple[int, ...] | None
    schedule: TokenSchedule


@dataclass(frozen=True)
class Point:
    """One way to compress the model."""

    key: str
    """Digest of everything that its result depends on: settings that mean the same have the same key."""
    graph: str
    """Digest of everything that its speed depends on: all but the margins and the size penalty's amount."""
    label: str
    setting: Setting
    """With nothing left to the method, as far as ``compress`` can say it."""
    settings: MethodSettings
    planned: PlannedSchedule
    num_candidates: tuple[int, ...]
    """M of each layer; 0 where nothing merges."""
    flops_ratio: float
    bound: float
    baseline: str | None = None
    """Key of plain ToMe at the same schedule and metric; None for that one itself, or where it isn't run."""

    @property
    def schedule(self) -> TokenSchedule:
        """Tokens merged per layer."""
        return self.planned.schedule


@dataclass(frozen=True)
class Refused:
    """A point that can't be made."""

    label: str
    reason: str

    @property
    def key(self) -> str:
        """Digest."""
        return digest_of([self.label, self.reason])[:16]


def make_points(grid: Grid, family: Family, shape: ModelShape) -> tuple[list[Point], list[Refused]]:
    """All points of a grid for one model, without repetitions, in the order in which they should run.

    First come those that change nothing, in the grid's order of schedules, then those that change one
    setting, and so on; plain ToMe comes before what is compared with it.
    """
    schedules, refused = plan_schedules(grid, family, shape)
    ranked: list[tuple[tuple[Any, ...], Point]] = []
    baselines: dict[tuple[str, str], str] = {}
    for (place, planned), (changes, setting) in itertools.product(
        enumerate(schedules), list(_settings(grid))
    ):
        try:
            point = _point(setting, planned, family, shape)
        except InputError as error:
            refused.append(Refused(f"{_name(setting)} at {planned.name}", str(error)))
            continue
        plain = is_plain_tome(point.setting)
        if plain:
            baselines[planned.name, str(point.setting.metric)] = point.key
        ranked.append(((changes, place, not plain, len(ranked)), point))
    found: dict[str, Point] = {}
    for _, point in sorted(ranked, key=lambda each: each[0]):
        metric = grid.metrics[0] if point.setting.method == "random" else str(point.setting.metric)
        baseline = baselines.get((point.planned.name, metric))
        found.setdefault(point.key, replace(point, baseline=None if baseline == point.key else baseline))
    return list(found.values()), list({each.key: each for each in refused}.values())


def is_plain_tome(setting: Setting) -> bool:
    """Whether this is ToMe as it was published, but for the metric."""
    return setting.method == "tome" and setting.size_penalty == 0


def plan_schedules(
    grid: Grid, family: Family, shape: ModelShape
) -> tuple[list[PlannedSchedule], list[Refused]]:
    """The schedules of a grid, each once, and those that can't be made."""
    dearest: Metric = "hidden" if "hidden" in grid.metrics else "keys"
    reference = resolve_settings("pitome", family, shape.num_layers, metric=dearest)
    planned: dict[tuple[int, ...], PlannedSchedule] = {}
    refused: list[Refused] = []
    targets = [("FLOPs", value) for value in grid.flops] + [("keep ratio", value) for value in grid.ratios]
    for (kind, value), layers, form in itertools.product(targets, grid.layers, grid.shapes):
        name = f"{kind} {value:g}, {form}{_layers_name(layers)}"
        try:
            schedule = _schedule(kind, value, layers, form, reference, shape)
        except InputError as error:
            refused.append(Refused(name, str(error)))
            continue
        planned.setdefault(schedule.num_merged, PlannedSchedule(name, form, layers, schedule))
    return list(planned.values()), refused


def _schedule(
    kind: str,
    value: float,
    layers: tuple[int, ...] | None,
    form: Shape,
    reference: MethodSettings,
    shape: ModelShape,
) -> TokenSchedule:
    if kind == "keep ratio":
        schedule = choose_schedule(shape, reference, ratio=value, layers=layers)
        if form == "ratio":
            return schedule
        width = reference.metric_width(shape.hidden_size, shape.head_width)
        value = count_flops(shape, schedule, width).ratio
    return choose_schedule(shape, reference, flops=value, shape=form, layers=layers)


def _settings(grid: Grid) -> Iterator[tuple[int, Setting]]:
    """(number of changes, settings) of each method."""
    values: dict[str, tuple[Any, ...]] = {
        "metric": grid.metrics,
        "candidates": grid.candidates,
        "margin": grid.margins,
        "energy": grid.energies,
        "split": grid.splits,
        "size_penalty": grid.size_penalties,
    }
    for method in grid.methods:
        lists = {name: values[name] for name in TAKEN[method]}
        if method == "tome":
            lists["size_penalty"] = tuple(dict.fromkeys((0.0, *grid.size_penalties)))
        for chosen in itertools.product(*lists.values()):
            options = dict(zip(lists, chosen, strict=True))
            changes = sum(value != values[name][0] for name, value in options.items())
            if method == "tome" and options["size_penalty"] == 0 != grid.size_penalties[0]:
                changes -= 1  # what the others are compared with is no change
            if changes <= grid.changes:
                options["proportional_attention"] = (
                    None if method == "authors" else grid.proportional_attention
                )
                yield changes, Setting(method, **options, seed=grid.seed)


def _point(setting: Setting, planned: PlannedSchedule, family: Family, shape: ModelShape) -> Point:
    settings = _resolve(setting, family, shape)
    setting = explicit_setting(setting, settings)
    schedule = planned.schedule
    mergers = [
        build_merger(settings, layer, schedule.tokens[layer], schedule.num_protected, merged)
        for layer, merged in enumerate(schedule.num_merged)
    ]
    parameters = [merger.parameters if isinstance(merger, EnergyMerger) else None for merger in mergers]
    flops = count_flops(shape, schedule, settings.metric_width(shape.hidden_size, shape.head_width))
    merges = _meant(parameters)
    common: dict[str, Any] = {
        "num_merged": schedule.num_merged,
        "proportional_attention": settings.proportional_attention,
        "metric": settings.metric if settings.name != "random" else None,
        "seed": settings.seed if settings.name == "random" else None,
    }
    return Point(
        key=digest_of({**common, "merges": merges})[:16],
        graph=digest_of({**common, "merges": [_same_speed(each) for each in merges]})[:16],
        label=f"{_name(setting, settings)} at {planned.name}",
        setting=setting,
        settings=settings,
        planned=planned,
        num_candidates=tuple(each.num_candidates if each else 0 for each in parameters),
        flops_ratio=flops.ratio,
        bound=flops.bound,
    )


def _resolve(setting: Setting, family: Family, shape: ModelShape) -> MethodSettings:
    options = setting.as_arguments()
    return resolve_settings(options.pop("method"), family, shape.num_layers, **options)


def explicit_setting(setting: Setting, settings: MethodSettings) -> Setting:
    """The setting with every value that the method brought along, where one value stands for all layers.

    So it means the same when a method's own settings change one day.
    """
    if setting.method == "random":
        return replace(setting, proportional_attention=settings.proportional_attention)
    candidates = set(settings.candidates)
    return replace(
        setting,
        metric=settings.metric,
        candidates=candidates.pop() if len(candidates) == 1 else None,
        margin=margin_of(settings.margins),
        energy=settings.energy,
        split=settings.split,
        size_penalty=settings.size_penalty,
        proportional_attention=settings.proportional_attention,
    )


def margin_of(margins: tuple[float, ...]) -> Margin | None:
    """(start, slope) of margins that fall along a line; None for others."""
    layers = len(margins)
    start = margins[0]
    slope = round((start - margins[-1]) * layers / (layers - 1), 9) if layers > 1 else 0.0
    line = (start - slope * layer / layers for layer in range(layers))
    return (start, slope) if all(abs(a - b) < 1e-9 for a, b in zip(line, margins, strict=True)) else None


def _meant(parameters: list[MergeParameters | None]) -> list[dict[str, Any] | None]:
    """The merges with what changes no decision set to one value (METHOD.md section 2)."""
    found: list[dict[str, Any] | None] = []
    for each in parameters:
        if each is None:
            found.append(None)
            continue
        if each.num_candidates == 2 * each.num_merged or not any(found):
            each = replace(each, size_penalty=0.0)  # all edges are taken, or all sizes are 1 (or padding's)
        if each.order == "position":
            each = replace(each, margin=0.0, energy="elu")
        if each.order == "position" or each.energy == "gaussian":
            each = replace(each, alpha=1.0)
        # 0.9 - 0.9 i/L and 0.9 - (0.9 i)/L differ in their last bit only.
        found.append({**asdict(each), "margin": round(each.margin, 9)})
    return found


def _same_speed(merge: dict[str, Any] | None) -> dict[str, Any] | None:
    return merge and {name: merge[name] for name in merge if name not in ("margin", "alpha", "size_penalty")}


def _name(setting: Setting, settings: MethodSettings | None = None) -> str:
    """What the table shows: the method and the settings that it takes."""
    taken = TAKEN[setting.method]
    parts = [setting.method]
    if "metric" in taken:
        parts.append(str(setting.metric))
    if "candidates" in taken:
        parts.append(_candidates_name(setting.candidates))
    if "margin" in taken and setting.margin not in (None, USUAL_MARGIN):
        parts.append("margin {:g}-{:g}i/L".format(*setting.margin or ()))
    parts += [
        value
        for name, value in (("energy", setting.energy), ("split", setting.split))
        if name in taken and value not in (None, "elu", "alternate")
    ]
    if "size_penalty" in taken:
        parts.append(f"penalty {setting.size_penalty:g}")
    if settings is not None and not settings.proportional_attention and setting.method != "authors":
        parts.append("plain attention")
    return " ".join(parts)


def _candidates_name(candidates: Candidates | None) -> str:
    return f"protect {candidates:g}" if isinstance(candidates, float) else f"M={candidates}"


def _layers_name(layers: tuple[int, ...] | None) -> str:
    return "" if layers is None else f", layers {','.join(map(str, layers))}"
