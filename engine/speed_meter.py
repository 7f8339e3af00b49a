"""How fast settings of a model are: graphs on onnxruntime, or plans on this machine's GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.engine.gpu_speed import PRECISION, PlanMaker, plan_maker
from pitome.engine.graph_cache import unmerged_graph
from pitome.engine.progress import Progress, Report
from pitome.engine.search_options import SpeedOptions
from pitome.errors import InputError
from pitome.models.loading import LoadedModel
from pitome.runtime import CPU, installed_device, parse_device
from pitome.validate.sweep.plan import Point
from pitome.validate.sweep.records import ON_CPU, UNMERGED, SpeedRecord

if TYPE_CHECKING:
    from pitome.export.onnx import Precision
    from pitome.validate.bench.contestants import Contestant


def checked_maker(options: SpeedOptions, progress: Progress) -> PlanMaker | None:
    """What builds the plans that are measured; None: onnxruntime is, and why is noted.

    Raises:
        InputError: onnxruntime does not have the device either, or a plan is asked for on a CPU.
        BackendError: a plan is asked for, and can't be built or run here.
    """
    maker, against = plan_maker(options.device, options.backend, options.batch)
    if maker is not None:
        return maker
    try:
        installed_device(options.device)
    except InputError as error:
        if not against:
            raise
        lines = [f"- {each}" for each in against]
        found = f"{error.found}, and no plan can be built and run here:"
        raise InputError(error.asked, found, error.remedy, lines) from None
    for each in against:
        progress.note(f"no plan is measured: {each}")
    return None


def conditions(options: SpeedOptions, maker: PlanMaker | None) -> dict[str, Any]:
    """What a speed depends on beside the model, as its record has it."""
    from pitome.engine.records import installed_version
    from pitome.validate.bench.latency import cpu_model

    on_graphs = ON_CPU if options.device == CPU.name else f"onnxruntime, {options.device}"
    return {
        "batch": options.batch,
        "threads": options.threads,
        "cpu": cpu_model(),
        "onnxruntime": installed_version("onnxruntime") if maker is None else None,
        "runtime": on_graphs if maker is None else maker.runtime,
    }


@dataclass(frozen=True)
class MeasuringPlace:
    """Makes contestants of points and measures them."""

    loaded: LoadedModel
    options: SpeedOptions
    maker: PlanMaker | None
    """None: graphs on onnxruntime, in fp32."""
    progress: Progress

    @property
    def precision(self) -> Precision:
        """Of the graphs."""
        return "fp32" if self.maker is None else PRECISION

    def unmerged(self, folder: Path) -> Contestant:
        """The model that all others are a ratio to."""
        from pitome.validate.bench.contestants import onnx_contestant

        graph = unmerged_graph(self.loaded, self.progress, self.precision)
        if self.maker is None:
            return onnx_contestant(UNMERGED, graph)
        own = folder / "unmerged.onnx"  # the plan goes beside its graph, and the cache holds graphs
        own.symlink_to(graph.resolve())
        data = graph.with_name(f"{graph.name}.data")
        if data.exists():
            own.with_name(data.name).symlink_to(data.resolve())
        return self.maker.contestant(UNMERGED, own, 0)

    def merged(self, point: Point, folder: Path, tell: Report) -> Contestant:
        """A setting.

        Raises:
            PitomeError: its graph or plan can't be made.
        """
        from pitome.compression import compress
        from pitome.export.onnx import export_onnx
        from pitome.validate.bench.contestants import onnx_contestant

        tell(f"export {point.label}", 0, 0)
        graph = folder / f"{point.graph}.onnx"
        merged = compress(self.loaded.model, point.schedule, point.settings)
        outputs = self.loaded.family.outputs[self.loaded.task]
        export_onnx(merged, graph, outputs=outputs, precision=self.precision)
        if self.maker is None:
            return onnx_contestant(point.graph, graph, against=UNMERGED, bound=point.bound)
        tell(f"build {point.label}", 0, 0)
        compression: Any = merged.compression
        merges = compression.method.operator_nodes(compression.schedule.num_merged)
        return self.maker.contestant(point.graph, graph, merges, against=UNMERGED, bound=point.bound)

    def measured(self, contestants: Sequence[Contestant], tell: Report) -> Mapping[str, SpeedRecord]:
        """The speed of each contestant that is measured against another one, by name."""
        from pitome.validate.bench.latency import LatencySettings, compare

        options = self.options
        settings = LatencySettings(
            (options.batch,),
            options.threads,
            min_seconds=options.seconds * (len(contestants) - 1),
            device=parse_device(options.device),
        )
        now = conditions(options, self.maker)
        found: dict[str, SpeedRecord] = {}
        for each in compare(contestants, settings, progress=tell)[0].contestants:
            if each.ratio is None or each.ratio_interval is None:
                continue
            low, high = each.ratio_interval
            found[each.name] = SpeedRecord(speedup=each.ratio, low=low, high=high, steady=each.steady, **now)
        return found
