"""``pitome export``: a bundle with graphs only, for plans, checks and measurements of its own."""

from __future__ import annotations

from pitome.bundle import BuildRecord, FileRecord, Manifest, valid_files
from pitome.bundle.publishing import build_folder
from pitome.engine.checks import check_all
from pitome.engine.command import command_of
from pitome.engine.main_job import Built, export_graphs, finish, first_manifest, with_plans
from pitome.engine.options import ExportOptions
from pitome.engine.progress import Progress, Silent
from pitome.engine.workplace import Workplace


def export(options: ExportOptions, progress: Progress | None = None, command: str | None = None) -> Built:
    """Compress and export; plans and checks of the very same graphs stay in the bundle.

    Args:
        options: what is exported.
        progress: is told how far it is; None = nobody is.
        command: what the user typed, for the manifest; None = the command that stands for the options.

    Raises:
        InputError: options or a model that cannot do it; nothing is left behind.
    """
    progress = progress or Silent()
    prepared, final = check_all(options, progress)
    with build_folder(final) as folder:
        before, intact = valid_files(final)
        place = Workplace(folder, final, progress, before, intact)
        graphs = export_graphs(place, prepared, options.precision, inlined=options.place.inlined)
        record = BuildRecord(
            command=command or command_of("export", options),
            model=options.model,
            schedule=options.schedule,
            merge=options.merge,
            precision=options.precision,
        )
        manifest = first_manifest(place, prepared, graphs, record)
        same = before is not None and before.onnx == manifest.onnx
        if before is not None and same and place.take_over(*_plan_files(before)):
            kept = ("native", "parity", "other_parity", "parity_key", "latency", "latency_key")
            manifest = with_plans(manifest, {graph.name: graph.plans for graph in before.graphs})
            manifest = manifest.model_copy(update={name: getattr(before, name) for name in kept})
        elif before is not None and before.plans:
            names = ", ".join(plan.file for plan in before.plans)
            progress.note(f"dropped: {names}, made from other graphs; run `pitome build {final}`")
        manifest = finish(folder, manifest, prepared.compression)
    return Built(final, manifest, tuple(place.reused))


def _plan_files(manifest: Manifest) -> tuple[FileRecord, ...]:
    return (*manifest.plans, *manifest.native)
