"""``pitome plans``: a bundle's graph built by each merge path in turn, and what the plans are like.

Nothing of it goes into the bundle. Build times depend on the machine and on what else it does, so the paths
take turns, and a time is only told as a ratio to another one of the same round.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from pitome.bundle import Manifest, verify_bundle
from pitome.bundle.build_options import DEFAULT_TARGETS
from pitome.bundle.record import Count, Positive, Precision, Record
from pitome.engine.checks import plan_requests
from pitome.engine.options import PlanOptions, PlanPathOptions
from pitome.engine.progress import Progress, Silent
from pitome.errors import InputError
from pitome.export.plans import PlanRequest, PlanResult, build_plan, check_request
from pitome.option import check_fields
from pitome.runtime.backends import find_plan_backend
from pitome.validate.report.summary import megabytes


class PathPlan(Record):
    """The plan of one merge path."""

    merge_path: str
    layers: Count
    """Of the parsed network, before the builder fuses them."""
    plugin_layers: Count
    bytes: Count
    build_seconds: tuple[float, ...]
    """Wall time of each round."""


class PlanPaths(Record):
    """The plans of one bundle's graph."""

    model: str
    merges: Positive
    precision: Precision
    backend: str
    backend_version: str
    targets: tuple[str, ...]
    profile: tuple[int, int, int]
    function: PathPlan
    plugin: PathPlan

    @property
    def build_ratios(self) -> tuple[float, ...]:
        """The plugin's build time over the function's, round by round."""
        pairs = zip(self.plugin.build_seconds, self.function.build_seconds, strict=True)
        return tuple(plugin / function for plugin, function in pairs)


def compare_paths(
    bundles: Sequence[Path], options: PlanPathOptions, progress: Progress | None = None
) -> tuple[PlanPaths, ...]:
    """Build the plans of the bundles' graphs, ``rounds`` times each, and throw them away.

    Args:
        bundles: folders; the graph is that of the precision that was asked for when the bundle was built.
        options: how often, with which library.
        progress: is told how far it is; None = nobody is.

    Raises:
        BundleError: a bundle is damaged.
        InputError: a graph merges nothing, no plugin library is there, or no round is asked for.
        BackendError: a plan could not be built.
    """
    progress = progress or Silent()
    check_fields(options)
    with tempfile.TemporaryDirectory(prefix="pitome-plans-") as folder:
        asked = [_checked(bundle, options, Path(folder)) for bundle in bundles]
        return tuple(_compare(manifest, requests, options.rounds, progress) for manifest, requests in asked)


def _checked(
    bundle: Path, options: PlanPathOptions, folder: Path
) -> tuple[Manifest, tuple[PlanRequest, ...]]:
    """A bundle's manifest, and what is to be built of it."""
    manifest = verify_bundle(bundle)
    merged = manifest.merged_graph
    (graph,) = [onnx for onnx in merged.own_files if onnx.precision == manifest.precision]
    merges = merged.merges
    if not merges:
        raise InputError(
            f"plans of {bundle} by both merge paths", "its graph merges nothing", "Name another bundle"
        )
    # The same for both: sm75 is for one path only.
    plan = PlanOptions(
        manifest.precision,
        targets=DEFAULT_TARGETS,
        merge_path=("function", "plugin"),
        plugin=options.plugin,
    )
    requests = plan_requests(folder, plan, graph.file, merges)
    requests = tuple(replace(request, onnx=bundle / graph.file) for request in requests)
    for request in requests:
        check_request(request)
    return manifest, requests


def _compare(
    manifest: Manifest, requests: Sequence[PlanRequest], rounds: int, progress: Progress
) -> PlanPaths:
    found: dict[str, list[PlanResult]] = {request.merge_path: [] for request in requests}
    for turn in range(rounds):
        for request in requests if turn % 2 == 0 else reversed(requests):
            title = f"Build {manifest.model.name} by the {request.merge_path}, {turn + 1}/{rounds}"
            with progress.step(title) as report:
                result = build_plan(request, report)
            result.plan.unlink()
            found[request.merge_path].append(result)
    first = found["function"][0]
    return PlanPaths(
        model=manifest.model.name,
        merges=first.num_merges,
        precision=manifest.precision,
        backend=first.backend,
        backend_version=first.backend_version,
        targets=first.targets,
        profile=first.profile,
        function=_path(found["function"]),
        plugin=_path(found["plugin"]),
    )


def _path(results: Sequence[PlanResult]) -> PathPlan:
    first = results[0]
    return PathPlan(
        merge_path=first.merge_path,
        layers=first.num_layers,
        plugin_layers=first.num_merges if first.merge_path == "plugin" else 0,
        bytes=first.bytes,
        build_seconds=tuple(round(result.build_seconds, 3) for result in results),
    )


def paths_markdown(found: Sequence[PlanPaths]) -> str:
    """One table of all bundles, which were built by one builder for the same GPUs."""
    first, rounds = found[0], len(found[0].function.build_seconds)
    told = f"{find_plan_backend(first.backend).label} {first.backend_version}, {', '.join(first.targets)}, "
    told += f"batch {'/'.join(map(str, first.profile))}; {rounds} {'rounds' if rounds > 1 else 'round'}."
    lines = [
        told,
        "",
        "| model | merge path | layers | of them plugins | plan | build time to the function's |",
        "|---|---|---|---|---|---|",
    ]
    for each in found:
        for path in (each.function, each.plugin):
            ratio = "1" if path is each.function else _spread(each.build_ratios)
            lines.append(
                f"| {each.model}, {each.precision} | {path.merge_path} | {path.layers:,} | "
                f"{path.plugin_layers} | {megabytes(path.bytes)} | {ratio} |"
            )
    return "\n".join(lines) + "\n"


def _spread(ratios: Sequence[float]) -> str:
    """The median, and where there are several the smallest and the largest."""
    middle = f"{median(ratios):.2f}"
    return middle if len(ratios) == 1 else f"{middle} ({min(ratios):.2f} to {max(ratios):.2f})"
