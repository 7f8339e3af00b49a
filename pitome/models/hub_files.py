"""Which of a repository's files make a model: its own, and those of the modules in modules.json."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pitome.errors import InputError
from pitome.models.asset_files import asset_names
from pitome.models.checkpoint import choose_weight_files, has_weights
from pitome.models.other_formats import OtherFormat, adapter, instead_of_checkpoint, instead_of_weights
from pitome.models.sentence_files import LENGTH_FILES, MODULES_FILE, module_folders

Modules = Sequence[tuple[str, str]]
"""Kind and folder of each module; a checkpoint without modules.json is a Transformer in its own folder."""
PLAIN: Modules = (("Transformer", ""),)
_WITH_WEIGHTS = ("Transformer", "Dense")


def modules_in(folder: Path) -> Modules:
    """What a folder's modules.json names.

    Raises:
        InputError: it can't be read, or names a module that is not known.
    """
    path = folder / MODULES_FILE
    return module_folders(path) if os.path.lexists(path) else PLAIN


def wanted_files(
    names: Sequence[str], modules: Modules, with_weights: bool, hub_id: str, asked: str
) -> list[str]:
    """The files to fetch.

    Args:
        names: of all files, with ``/`` between folders.
        modules: what modules.json says.
        with_weights: else only the configuration files.
        hub_id: of the model.
        asked: the model and its revision, as an error says it.

    Raises:
        InputError: there is no configuration or are no weights; with what there is instead.
    """
    wanted = asset_names(names)
    for kind, place in modules:
        prefix = f"{place.strip('/')}/" if place else ""
        inner = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        if kind == "Transformer":
            _check_config(inner, hub_id, asked)
            wanted += [prefix + name for name in (*asset_names(inner), *set(LENGTH_FILES) & set(inner))]
        elif "config.json" in inner:
            wanted.append(f"{prefix}config.json")
        if with_weights and kind in _WITH_WEIGHTS:
            weights = choose_weight_files(inner)
            if not weights:
                missing = instead_of_weights(inner)
                found = missing.found.replace("the folder has", f"{place or 'it'} has")
                raise InputError(asked, found, _remedy(missing, hub_id))
            wanted += [prefix + name for name in weights]
    return list(dict.fromkeys(wanted))


def has_all_weights(folder: Path) -> bool:
    """Whether all modules of a folder have their weights."""
    try:
        modules = modules_in(folder)
    except InputError:
        return False
    places = [folder / place for kind, place in modules if kind in _WITH_WEIGHTS]
    return all(place.is_dir() and has_weights(place) for place in places)


def _check_config(names: Sequence[str], hub_id: str, asked: str) -> None:
    instead = adapter(names)
    if instead is None and "config.json" not in names:
        instead = instead_of_checkpoint(names, "it has no config.json, so it is no transformers checkpoint")
    if instead is not None:
        raise InputError(asked, instead.found.replace("the folder has", "it has"), _remedy(instead, hub_id))


def _remedy(instead: OtherFormat, hub_id: str) -> str:
    """An id has no folders, so one in it is to be fetched first."""
    if instead.inside is None:
        return instead.remedy
    return f"Fetch it with `hf download {hub_id}` and give the folder {instead.inside} in it"
