"""A build's options as the manifest has them, and the model of a bundle that may have moved since."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pitome.bundle import BuildRecord, ParityReport
from pitome.bundle.build_options import NATIVE_AUTO
from pitome.bundle.portable import is_path, places_of, portable_command, seen_from
from pitome.engine.options import CheckOptions, ModelOptions, PlanOptions
from pitome.errors import BundleError
from pitome.models.preset_file import is_preset_file
from pitome.models.registry import resolve_model
from pitome.validate.own_data import portable_data

_NO_FOLDERS = (None, "random", "packaged")
"""Values of WEIGHTS that name no folder, even where one of that name lies about."""


def portable_build(build: BuildRecord, bundle: Path) -> BuildRecord:
    """The same with every path as it is seen from the bundle's folder, and a command without the machine's.

    Args:
        build: paths as the user gave them, relative to where the command runs.
        bundle: the folder that it is to have.
    """
    return build.model_copy(
        update={
            "command": portable_command(build.command),
            "model": portable_model(build.model, bundle),
            "plan": build.plan and _portable_plan(build.plan, bundle),
            "check": build.check and _portable_check(build.check, bundle),
        }
    )


def portable_model(model: ModelOptions, bundle: Path) -> ModelOptions:
    """The same model, a folder or a preset file as it is seen from the bundle's folder."""
    named, weights = model.model, model.weights
    if is_preset_file(named) or resolve_model(named).folder is not None:
        named = seen_from(bundle, named.strip())
    if weights is not None and weights not in _NO_FOLDERS and Path(weights).expanduser().is_dir():
        weights = seen_from(bundle, weights)
    return replace(model, model=named, weights=weights)


def _portable_plan(plan: PlanOptions, bundle: Path) -> PlanOptions:
    return plan if plan.plugin is None else replace(plan, plugin=Path(seen_from(bundle, plan.plugin)))


def portable_parity(parity: ParityReport, bundle: Path) -> ParityReport:
    """The same with the user's images or texts as they are seen from the bundle's folder."""
    if parity.own_data is None:
        return parity
    own = parity.own_data.model_copy(update={"data": portable_data(parity.own_data.data, bundle)})
    return parity.model_copy(update={"own_data": own})


def _portable_check(check: CheckOptions, bundle: Path) -> CheckOptions:
    if check.inputs is not None:
        check = replace(check, inputs=portable_data(check.inputs, bundle))
    if check.native in (None, NATIVE_AUTO):
        return check
    return replace(check, native=Path(seen_from(bundle, check.native)))


def found_model(bundle: Path, model: ModelOptions, weights: str | None = None) -> ModelOptions:
    """The model of a bundle as it can be loaded from here.

    Args:
        bundle: its folder.
        model: as its manifest has it.
        weights: where the user says that the weights are, with the model's configuration where that was a
            folder too.

    Raises:
        BundleError: a folder or file that is not where the manifest says, nor beside the bundle.
    """
    if weights is not None and model.weights is None and is_path(model.model):
        return replace(model, model=weights)
    held = model.weights
    if weights is not None:
        held = weights
    elif held is not None and is_path(held):
        held = _found(bundle, held)
    named = _found(bundle, model.model) if is_path(model.model) else model.model
    return replace(model, model=named, weights=held)


def _found(bundle: Path, text: str) -> str:
    places = places_of(bundle, text)
    for place in places:
        if place.exists():
            return str(place)
    raise BundleError(
        f"the model of {bundle}",
        f"it was built from {text} (as seen from the bundle), and it is not at "
        f"{' or '.join(map(str, places))}",
        "Say where the model is now with --weights FOLDER, or put it beside the bundle",
    )
