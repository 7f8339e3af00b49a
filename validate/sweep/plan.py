"""The points of a sweep: which methods, settings and schedules are compared, in which order.

Every method gets the very same schedules. They are made for the metric that costs the most, which is the
hidden state where it is tried, so that no point exceeds the FLOPs that were asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from pitome.bundle import digest_of
from pitome.compression import choose_schedule
from pitome.errors import InputError
from pitome.flops import count_flops
from pitome.methods import Method, make_method, method_class
from pitome.models.family import Family, ModelShape
from pitome.parameters import AMOUNTS, MergeParameters
from pitome.schedule import TokenSchedule
from pitome.settings import MergeSettings, ScheduleOptions, Shape
from pitome.validate.sweep.grid import Axis, Grid
from pitome.validate.sweep.labels import label_of

Rank = tuple[int, int, bool, int]
"""Settings changed, place of the schedule, whether it is no baseline, place in the grid."""
Merges = list[dict[str, object] | None]
"""The attributes of each layer's operator, as a digest takes them."""


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
    """Digest of everything that its speed depends on: all but the amounts, such as margins."""
    label: str
    settings: MergeSettings
    """With nothing left to the method, where one value stands for all layers."""
    margins: tuple[float, ...]
    """One per layer; none where no energy is measured."""
    planned: PlannedSchedule
    num_candidates: tuple[int, ...]
    """M of each layer; 0 where no similarity decides."""
    flops_ratio: float
    bound: float
    baseline: str | None = None
    """Key of the baseline at its own settings, the same schedule and metric; None for that one itself, or
    where it isn't run."""

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
    setting, and so on; the baseline comes before what is compared with it.
    """
    schedules, refused = plan_schedules(grid, family, shape)
    ranked: list[tuple[Rank, Point]] = []
    baselines: dict[tuple[str, str | None], str] = {}
    chosen = list(_settings(grid, family))
    for (place, planned), (changes, settings) in itertools.product(enumerate(schedules), chosen):
        try:
            point = make_point(settings, planned, family, shape)
        except InputError as error:
            label = f"{label_of(settings, family.modality)} at {planned.name}"
            refused.append(Refused(label, str(error)))
            continue
        plain = is_baseline(point.settings, family)
        if plain:
            baselines[planned.name, point.settings.metric] = point.key
        ranked.append(((changes, place, not plain, len(ranked)), point))
    compared: list[tuple[Rank, Point]] = []
    for rank, point in ranked:
        # What measures no similarity is compared at the first metric.
        metric = point.settings.metric or _first_metric(grid)
        baseline = baselines.get((point.planned.name, metric))
        compared.append((rank, replace(point, baseline=None if baseline == point.key else baseline)))
    found: dict[str, Point] = {}
    for _, point in sorted(_baselines_first(compared), key=lambda each: each[0]):
        found.setdefault(point.key, point)
    return list(found.values()), list({each.key: each for each in refused}.values())


def _baselines_first(ranked: list[tuple[Rank, Point]]) -> Iterator[tuple[Rank, Point]]:
    """A baseline that changes more settings than a point that is compared with it runs before that point."""
    earliest: dict[str, Rank] = {}
    for rank, point in ranked:
        if point.baseline is not None:
            earliest[point.baseline] = min(rank, earliest.get(point.baseline, rank))
    for rank, point in ranked:
        changes, place, _, _ = earliest.get(point.key, rank)
        yield min(rank, (changes, place, rank[2], rank[3])), point


def is_baseline(settings: MergeSettings, family: Family) -> bool:
    """Whether these are the baseline method's own settings, but for the metric and what all points share."""
    method = method_class(settings.method)
    own = method.own_settings(family.modality)
    shared = replace(
        settings, metric=own.metric, proportional_attention=own.proportional_attention, seed=own.seed
    )
    return method.baseline and shared == own


def plan_schedules(
    grid: Grid, family: Family, shape: ModelShape
) -> tuple[list[PlannedSchedule], list[Refused]]:
    """The schedules of a grid, each once, and those that can't be made."""
    metrics = {change.metric for axis in grid.axes if axis.setting == "metric" for change in axis.changes}
    dearest = MergeSettings(metric="keys" if metrics == {"keys"} else "hidden")
    reference = make_method(dearest, family, shape.num_layers)
    planned: dict[tuple[int, ...], PlannedSchedule] = {}
    refused: list[Refused] = []
    targets = [("FLOPs", value) for value in grid.flops] + [("keep ratio", value) for value in grid.ratios]
    for (kind, value), layers, form in itertools.product(targets, grid.layers, grid.shapes):
        among = "" if layers is None else f", layers {','.join(map(str, layers))}"
        name = f"{kind} {value:g}, {form}{among}"
        try:
            if kind == "FLOPs":
                options = ScheduleOptions(flops=value, shape=form, layers=layers)
                schedule = choose_schedule(shape, reference, options)
            else:
                schedule = _of_keep_ratio(value, layers, form, reference, shape)
        except InputError as error:
            refused.append(Refused(name, str(error)))
            continue
        planned.setdefault(schedule.num_merged, PlannedSchedule(name, form, layers, schedule))
    return list(planned.values()), refused


def _of_keep_ratio(
    ratio: float, layers: tuple[int, ...] | None, form: Shape, reference: Method, shape: ModelShape
) -> TokenSchedule:
    schedule = choose_schedule(shape, reference, ScheduleOptions(ratio=ratio, layers=layers))
    if form == "ratio":
        return schedule
    width = reference.metric_width(shape.hidden_size, shape.head_width)
    flops = count_flops(shape, schedule, width).ratio
    return choose_schedule(shape, reference, ScheduleOptions(flops=flops, shape=form, layers=layers))


def _first_metric(grid: Grid) -> str | None:
    return next((axis.changes[0].metric for axis in grid.axes if axis.setting == "metric"), None)


def _settings(grid: Grid, family: Family) -> Iterator[tuple[int, MergeSettings]]:
    """(number of changes, settings) of each method."""
    for name in grid.methods:
        method = method_class(name)
        own = method.own_settings(family.modality) if method.baseline else None
        axes = [_with_own(axis, own) for axis in grid.axes if axis.setting in method.takes]
        firsts = {axis.setting: axis.changes[0] for axis in grid.axes}
        for chosen in itertools.product(*(axis.changes for axis in axes)):
            changes = sum(
                # What the others are compared with is no change.
                change != firsts[axis.setting] and not _is_own(axis, change, own)
                for axis, change in zip(axes, chosen, strict=True)
            )
            if changes <= grid.changes:
                settings = replace(grid.base.only(method.takes), method=name)
                for change in chosen:
                    settings = change.over(settings)
                yield changes, settings


def _with_own(axis: Axis, own: MergeSettings | None) -> Axis:
    """The axis of the baseline, which runs at its own value too; at its own metric only where it is tried."""
    if own is None or axis.setting == "metric":
        return axis
    first = own.over(MergeSettings(), (axis.setting,))
    return replace(axis, changes=tuple(dict.fromkeys((first, *axis.changes))))


def _is_own(axis: Axis, change: MergeSettings, own: MergeSettings | None) -> bool:
    if own is None or axis.setting == "metric":
        return False
    return change == own.over(MergeSettings(), (axis.setting,))


def make_point(settings: MergeSettings, planned: PlannedSchedule, family: Family, shape: ModelShape) -> Point:
    """One point, without its baseline; InputError for settings that do not fit the model."""
    method = make_method(settings, family, shape.num_layers)
    schedule = planned.schedule
    parameters = method.parameters(schedule)
    flops = count_flops(shape, schedule, method.metric_width(shape.hidden_size, shape.head_width))
    merges = _meant(parameters)
    return Point(
        key=_digest(method, schedule, merges),
        graph=_digest(method, schedule, [_same_speed(each) for each in merges]),
        label=f"{label_of(method.settings, family.modality)} at {planned.name}",
        settings=method.settings,
        margins=method.margins,
        planned=planned,
        num_candidates=tuple(each.num_candidates if each else 0 for each in parameters),
        flops_ratio=flops.ratio,
        bound=flops.bound,
    )


def _digest(method: Method, schedule: TokenSchedule, merges: Merges) -> str:
    """Of all that a result, or a speed, depends on; a file of records is resumed by it."""
    settings = method.settings
    depends: dict[str, object] = {
        "num_merged": schedule.num_merged,
        "proportional_attention": settings.proportional_attention,
        "metric": settings.metric,
        "seed": settings.seed if "seed" in method.takes else None,
        "merges": merges,
    }
    if not (any(merges) or schedule.merges_nothing or "seed" in method.takes):
        depends["method"] = asdict(settings)  # no operator's attributes say what it does
    return digest_of(depends)[:16]


def _meant(parameters: tuple[MergeParameters | None, ...]) -> Merges:
    """The merges with what changes no decision set to one value; in the first one all sizes are 1."""
    found: Merges = []
    for each in parameters:
        if each is None:
            found.append(None)
            continue
        found.append(asdict(each.meaning(equal_sizes=not any(found))))
    return found


def _same_speed(merge: dict[str, object] | None) -> dict[str, object] | None:
    return merge and {name: value for name, value in merge.items() if name not in AMOUNTS}
