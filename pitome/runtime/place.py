"""Where a bundle lies: a folder here, or a repository of the hub."""

from __future__ import annotations

import os
from pathlib import Path

from pitome.arguments import as_path
from pitome.bundle.hub import fetch_bundle, parse_hub_name
from pitome.errors import InputError


def bundle_folder(place: str | os.PathLike[str], offline: bool | None = None) -> Path:
    """The folder of a bundle; one that is here goes before a repository of the same name.

    Args:
        place: a folder, or as text ``org/name`` or ``org/name@revision`` of the hub.
        offline: take what the hub's cache has; None = as HF_HUB_OFFLINE says.

    Raises:
        InputError: there is no such repository, or it can't be reached and the cache lacks it.
        BundleError: what was fetched is no whole bundle.
    """
    folder = as_path(place, "the bundle")
    if not isinstance(place, str) or os.path.lexists(folder) or parse_hub_name(place) is None:
        return folder  # whoever reads the manifest says what is wrong with it
    try:
        return fetch_bundle(place, offline)
    except InputError as error:
        found = f"there is no such folder here, and of the hub's repositories: {error.found}"
        raise type(error)(error.asked, found, error.remedy, error.lines) from error
