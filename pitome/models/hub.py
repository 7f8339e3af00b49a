"""Files of a model from the Hugging Face hub, or from its local cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pitome.errors import InputError
from pitome.hub_answers import COMMIT, TIMEOUT_SECONDS, HubUnreachableError, first_line, refused
from pitome.models.hub_files import PLAIN, has_all_weights, modules_in, wanted_files
from pitome.models.sentence_files import MODULES_FILE

_INSTEAD = "give WEIGHTS= a folder"


@dataclass(frozen=True)
class HubFiles:
    """A downloaded model."""

    folder: Path
    commit: str


def fetch(
    hub_id: str,
    revision: str | None,
    with_weights: bool = True,
    progress: Callable[[str], None] | None = None,
) -> HubFiles:
    """The folder with a model's configuration and, if wanted, its weights.

    A pinned commit that the cache has is taken from there without a network.

    Args:
        hub_id: ``org/name``.
        revision: commit, tag or branch; None = the default branch.
        with_weights: else only the configuration files.
        progress: is called with a line of text before each download.

    Raises:
        HubUnreachableError: no connection, and the cache has not what is needed.
        InputError: the hub answered with an error (no such model, no access, no such revision, no weights).
    """
    if revision and COMMIT.fullmatch(revision) and (cached := _cached(hub_id, revision, with_weights)):
        return cached
    try:
        return _download(hub_id, revision, with_weights, progress)
    except HubUnreachableError:
        cached = _cached(hub_id, revision, with_weights)
        if cached is None:
            raise
        return cached


def _cached(hub_id: str, revision: str | None, with_weights: bool) -> HubFiles | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        # A sentence-transformers model may have its config.json in a folder of its own.
        paths = [
            try_to_load_from_cache(hub_id, name, revision=revision) for name in (MODULES_FILE, "config.json")
        ]
    except HFValidationError:
        return None
    found = [path for path in paths if isinstance(path, str)]  # else not there, or known not to exist
    if not found:
        return None
    folder = Path(found[0]).parent
    return None if with_weights and not has_all_weights(folder) else HubFiles(folder, folder.name)


def _download(
    hub_id: str, revision: str | None, with_weights: bool, progress: Callable[[str], None] | None
) -> HubFiles:
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from huggingface_hub.utils import httpx

    asked = _asked(hub_id, revision)
    try:
        # One request without retries tells quickly whether there is a connection; file requests retry.
        info = HfApi().model_info(hub_id, revision=revision, timeout=TIMEOUT_SECONDS)
        names = [sibling.rfilename for sibling in info.siblings or []]
        folder: Path | None = None

        def get(name: str) -> Path:
            if progress is not None:
                progress(f"fetching {name} of {hub_id}")
            # The first by branch or tag, so that the cache notes where it points; the rest by that commit.
            at = revision if folder is None else folder.name
            path = Path(hf_hub_download(hub_id, name, revision=at, etag_timeout=TIMEOUT_SECONDS))
            return path.parents[name.count("/")]

        modules = PLAIN
        if MODULES_FILE in names:
            folder = get(MODULES_FILE)
            modules = modules_in(folder)
        for name in wanted_files(names, modules, with_weights, hub_id, asked):
            folder = get(name)
    except HfHubHTTPError as error:  # before OSError, of which it is a kind
        raise refused(asked, hub_id, error, _INSTEAD) from error
    except HFValidationError as error:
        raise InputError(asked, f"{error}".rstrip("."), "Give an id of the form org/name") from error
    except (httpx.TransportError, ConnectionError, LocalEntryNotFoundError) as error:
        if isinstance(error.__cause__, HfHubHTTPError):  # a file's request was answered, with an error
            raise refused(asked, hub_id, error.__cause__, _INSTEAD) from error
        raise HubUnreachableError(
            asked,
            f"the hub can't be reached ({first_line(error)}) and the local cache has not this model",
            "Check the connection, or give WEIGHTS= a folder, or WEIGHTS=random",
        ) from error
    assert folder is not None, "a model without any file was refused"
    return HubFiles(folder, folder.name)


def _asked(hub_id: str, revision: str | None) -> str:
    return f"the model {hub_id}" + (f" at revision {revision}" if revision else "")
