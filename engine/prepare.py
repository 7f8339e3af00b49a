"""A model in memory, unmerged and merged, as the options of a command or of a bundle say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from pitome.bundle import Manifest
from pitome.bundle.consistency import GRAPHS
from pitome.bundle.graph_records import Role
from pitome.compression import Compression, compress
from pitome.engine.described_model import check_described
from pitome.engine.options import CheckOptions, MergeSettings, ModelOptions, ScheduleOptions
from pitome.engine.portable_build import found_model
from pitome.engine.progress import Progress
from pitome.errors import BundleError, InputError
from pitome.models.loading import LoadedModel, load_model
from pitome.models.registry import resolve_model
from pitome.validate.own_data import OwnSamples, left_out_text

UNMERGED = MergeSettings("none")


@dataclass(frozen=True)
class Prepared:
    """A model in memory, unmerged and merged."""

    loaded: LoadedModel
    compressed: nn.Module
    compression: Compression
    own: OwnSamples | None = None
    """The user's images or texts that parity is checked on; None: those of scikit-image or this package."""
    name: str = "model"
    """Of its graph, whose files are called so."""
    role: Role = "encoder"
    text: Prepared | None = None
    """Of a dual encoder: the text tower, which is not merged."""

    @property
    def graphs(self) -> tuple[Prepared, ...]:
        """What becomes a graph each: the model, or the towers of a system, the merged one first."""
        return (self,) if self.text is None else (self, self.text)

    @property
    def of_graph(self) -> str:
        """Which graph of several it is, as titles of steps say it; nothing where there is one."""
        return "" if self.role == "encoder" else f" of the {self.name} graph"

    @property
    def num_merges(self) -> int:
        """How many EnergyMerge nodes the graph has."""
        return self.compression.method.operator_nodes(self.compression.schedule.num_merged)


def with_own_inputs(prepared: Prepared, check: CheckOptions, progress: Progress) -> Prepared:
    """The same with the images or texts that the user wants parity to be checked on.

    Raises:
        InputError: they can't be had, or are not what the model takes.
    """
    if check.inputs is None:
        return prepared
    from pitome.validate.checked_inputs import read_own_inputs

    with progress.step(f"Read {check.inputs}") as report:
        own = read_own_inputs(check.inputs, prepared.loaded, check.column, report)
    for part in own.record.skipped:
        progress.note(f"left out of {check.inputs}: {left_out_text(part)}")
    return replace(prepared, own=own)


def prepare(
    model: ModelOptions, schedule: ScheduleOptions, merge: MergeSettings, progress: Progress
) -> Prepared:
    """Load a model and compress it.

    Raises:
        InputError: a model that can't be loaded, or options that do not fit it.
    """
    with progress.step(f"Load {model.model}") as report:
        loaded = load_model(
            model.model,
            model.weights,
            model.image_size,
            model.strict,
            model.seed,
            progress=lambda text: report(text, 0, 0),
            sequence_length=model.sequence_length,
            tower=model.tower,
        )
    _check_tower(model, loaded)
    for note in loaded.notes:
        progress.note(note)
    compressed = compress(loaded.model, schedule, merge)
    compression = compressed.compression
    assert isinstance(compression, Compression)
    prepared = Prepared(loaded, compressed, compression)
    return prepared if loaded.text is None else _with_text(prepared, loaded.text.loaded)


def _check_tower(model: ModelOptions, loaded: LoadedModel) -> None:
    if model.tower is not None and loaded.family.modality == "text":
        raise InputError(f"TOWER={model.tower}", "the model takes texts", "Leave TOWER out")


def _with_text(image: Prepared, loaded: LoadedModel) -> Prepared:
    """Both towers of a dual encoder; the one for texts goes through the same steps and merges nothing."""
    (image_name, image_role), (text_name, text_role) = GRAPHS["dual-encoder"].items()
    compressed = compress(loaded.model, settings=UNMERGED)
    compression = compressed.compression
    assert isinstance(compression, Compression)
    text = Prepared(loaded, compressed, compression, name=text_name, role=text_role)
    return replace(image, name=image_name, role=image_role, text=text)


def reload(bundle: Path, manifest: Manifest, progress: Progress, where: str | None = None) -> Prepared:
    """The model of a bundle, loaded and compressed again as its manifest says.

    Args:
        bundle: its folder.
        manifest: what it says.
        progress: shows the loading.
        where: the user's word for where the weights are now; None = where the manifest says.

    Raises:
        BundleError: the weights are other ones now, or the manifest describes another model.
    """
    build, weights = manifest.build, manifest.model.weights
    model = found_model(bundle, build.model, where)
    if weights.random:
        model = replace(model, weights="random", seed=weights.seed or 0)
    if manifest.model.system is None and manifest.model.preprocess.kind == "image":
        model = replace(model, tower="image")  # older bundles of a whole CLIP do not say so
    try:
        resolve_model(model.model)
    except InputError as error:
        raise BundleError(
            f"the model of {bundle}",
            f"it was built from {model.model}, and {error.found}",
            "Say where the model is now with --weights FOLDER, or build it again",
        ) from None
    prepared = prepare(model, build.schedule, build.merge, progress)
    if prepared.loaded.sha256 != weights.sha256:
        raise BundleError(
            f"the model of {bundle}",
            f"its weights had the digest {weights.sha256[:12]}, those of {prepared.loaded.source} "
            f"now have {prepared.loaded.sha256[:12]}",
            f"Get the same weights, or build it again with NAME={bundle.name}",
        )
    check_described(bundle, manifest, prepared.loaded, prepared.compression)
    return prepared
