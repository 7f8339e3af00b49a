"""What a MODEL may be: a preset, a hub id, a folder, or a preset file that names one. Imports no torch."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pitome.errors import InputError
from pitome.models.other_formats import instead_of_folder
from pitome.models.preset_file import PresetFile, is_preset_file, read_preset_file
from pitome.models.presets import PRESETS, Preset

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")


@dataclass(frozen=True)
class ModelReference:
    """A MODEL or WEIGHTS, taken apart."""

    kind: Literal["preset", "hub", "folder", "preset file"]
    name: str
    """Safe as the name of a folder."""
    preset: Preset | None = None
    hub_id: str | None = None
    revision: str | None = None
    """Commit, tag or branch; None = the default branch."""
    folder: Path | None = None
    preset_file: Path | None = None
    """Where MODEL was a preset file; what it names is in the other fields."""
    tuned: PresetFile | None = None
    """What is in that file."""
    notes: tuple[str, ...] = ()
    """Where MODEL could have meant something else too: a sentence each, without a full stop."""


def resolve_preset(name: str) -> Preset | None:
    """The preset of that name, if there is one; upper and lower case count as equal."""
    return PRESETS.get(name.strip().lower())


def nearest_names(name: str, limit: int = 3) -> list[str]:
    """The presets whose names look most like ``name``, best first."""
    return difflib.get_close_matches(name.strip().lower(), PRESETS, n=limit, cutoff=0.4)


def resolve_model(model: str) -> ModelReference:
    """What MODEL means: a preset file (a name that ends in .toml), a preset, else an existing folder, else an
    id ``org/name[@revision]`` on the hub.

    Raises:
        InputError: none of these; the nearest presets are named. A preset file that is malformed, or that
            names another one.
    """
    if is_preset_file(model):
        return _of_preset_file(Path(model.strip()).expanduser())
    preset = resolve_preset(model)
    if preset is not None:
        return ModelReference(
            "preset", preset.name, preset, preset.hub_id, preset.revision, notes=_shadowed(model.strip())
        )
    return resolve_weights(model, option="MODEL")


def _of_preset_file(path: Path) -> ModelReference:
    tuned = read_preset_file(path)
    named = tuned.model.name
    if is_preset_file(named):
        raise InputError(
            f"the preset file {path}",
            f"its model.name is {named}, another preset file",
            "Name a preset, a folder or a hub id there",
        )
    beside = path.parent / named
    if resolve_preset(named) is None and not Path(named).expanduser().is_absolute() and beside.is_dir():
        named = str(beside)  # a folder is named as seen from the file
    return replace(resolve_model(named), kind="preset file", preset_file=path, tuned=tuned)


def _shadowed(name: str) -> tuple[str, ...]:
    """Says that a preset was taken, where a folder or a file has its name too."""
    if not os.path.lexists(name):
        return ()
    kind = "folder" if os.path.isdir(name) else "file"
    return (
        f"{name} is the preset of that name, not the {kind} {name} here; MODEL=./{name} means the {kind}",
    )


def resolve_weights(text: str, option: str = "WEIGHTS") -> ModelReference:
    """A folder or a hub id.

    Raises:
        InputError: neither.
    """
    try:
        folder = Path(text).expanduser()
        is_folder = bool(text.strip()) and folder.is_dir()
    except (OSError, RuntimeError) as error:
        no_home = "there is no user of that name, or the user has no home"  # of ~nobody
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else no_home
        raise InputError(f"{option}={text}", f"it can't be looked at ({reason})", _GIVE) from error
    if is_folder:
        return ModelReference("folder", _folder_safe(folder.resolve().name), folder=folder)
    looks_local = text.startswith((".", "/", "~")) or text.endswith("/") or os.path.lexists(folder)
    hub_id, at, revision = text.partition("@")
    if not looks_local and _HUB_ID.fullmatch(text) and not (at and os.path.isdir(hub_id)):
        return ModelReference("hub", hub_id.replace("/", "--"), hub_id=hub_id, revision=revision or None)
    raise _unknown(text, option, looks_local)


_GIVE = "Give a folder or a hub id"
_PAGE = re.compile(
    r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+).*|hf://([\w.-]+/[\w.-]+).*"
)


def _unknown(text: str, option: str, looks_local: bool) -> InputError:
    asked, path = f"{option}={text}", Path(text).expanduser()
    special = _almost(text, path)
    if special is not None:
        return InputError(asked, *special)
    if not text.strip():
        found = "it is empty"
    elif looks_local:
        found = "there is no such folder"
    else:
        kinds = "a preset, a folder" if option == "MODEL" else "a folder"
        found = f"it is neither {kinds} nor an id of the form org/name on the Hugging Face hub"
    if option != "MODEL":
        return InputError(asked, found, "Give a folder, a hub id, packaged or random")
    nearest = nearest_names(text)
    meant = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
    return InputError(asked, found, f"{meant}`pitome models` lists the presets")


def _almost(text: str, path: Path) -> tuple[str, str] | None:
    """What was found, and what to do, where MODEL is nearly right."""
    instead = instead_of_folder(path) if text.strip() else None
    if instead is not None:
        return instead.found, instead.remedy
    if text.strip() and path.is_symlink():
        return "it is a link to what is not there", "Give the folder itself"
    before, at, revision = text.rpartition("@")
    if at and before and os.path.isdir(Path(before).expanduser()):
        return (
            f"{before} is a folder here, and a folder has no revisions",
            f"Check {revision or 'it'} out there, and give {before}",
        )
    preset = resolve_preset(before) if at else None
    if preset is not None:
        found = "a preset has a revision of its own"
        return found, f"Give {preset.hub_id}@{revision}" if preset.hub_id else f"Give {preset.name}"
    if page := _PAGE.fullmatch(text):
        return "it is an address, not an id", f"Give {page[1] or page[2]}"
    if text.startswith(("datasets/", "spaces/")):
        return f"it is one of the hub's {text.partition('/')[0]}, not a model", "Give a model's id org/name"
    if text.endswith("@") and _HUB_ID.fullmatch(text[:-1]):
        return "no revision stands behind the @", f"Give {text[:-1]}, or a commit, tag or branch behind the @"
    return None


def _folder_safe(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "model"


def presets_table() -> list[dict[str, Any]]:
    """One row per preset: name, family, tokens, layers, image_size (None for texts), task, source and
    description."""
    return [
        {
            "name": preset.name,
            "family": preset.family,
            "tokens": preset.num_tokens,
            "layers": preset.num_layers,
            "image_size": preset.image_size,
            "task": preset.task,
            "source": preset.origin,
            "description": preset.description,
        }
        for preset in PRESETS.values()
    ]
