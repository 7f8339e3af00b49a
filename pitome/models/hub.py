"""Files of a model from the Hugging Face hub, or from its local cache."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pitome.errors import InputError
from pitome.models.hub_files import PLAIN, has_all_weights, modules_in, wanted_files
from pitome.models.sentence_files import MODULES_FILE

_TIMEOUT_SECONDS = 5.0
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubUnreachableError(InputError):
    """No connection to the hub, and nothing in its local cache."""


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
    if revision and _COMMIT.fullmatch(revision) and (cached := _cached(hub_id, revision, with_weights)):
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
        info = HfApi().model_info(hub_id, revision=revision, timeout=_TIMEOUT_SECONDS)
        names = [sibling.rfilename for sibling in info.siblings or []]
        folder: Path | None = None

        def get(name: str) -> Path:
            if progress is not None:
                progress(f"fetching {name} of {hub_id}")
            # The first by branch or tag, so that the cache notes where it points; the rest by that commit.
            at = revision if folder is None else folder.name
            path = Path(hf_hub_download(hub_id, name, revision=at, etag_timeout=_TIMEOUT_SECONDS))
            return path.parents[name.count("/")]

        modules = PLAIN
        if MODULES_FILE in names:
            folder = get(MODULES_FILE)
            modules = modules_in(folder)
        for name in wanted_files(names, modules, with_weights, hub_id, asked):
            folder = get(name)
    except HfHubHTTPError as error:  # before OSError, of which it is a kind
        raise _refused(hub_id, asked, error) from error
    except HFValidationError as error:
        raise InputError(asked, f"{error}".rstrip("."), "Give an id of the form org/name") from error
    except (httpx.TransportError, ConnectionError, LocalEntryNotFoundError) as error:
        if isinstance(error.__cause__, HfHubHTTPError):  # a file's request was answered, with an error
            raise _refused(hub_id, asked, error.__cause__) from error
        raise HubUnreachableError(
            asked,
            f"the hub can't be reached ({_first_line(error)}) and the local cache has not this model",
            "Check the connection, or give WEIGHTS= a folder, or WEIGHTS=random",
        ) from error
    assert folder is not None, "a model without any file was refused"
    return HubFiles(folder, folder.name)


def _refused(hub_id: str, asked: str, error: Exception) -> InputError:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError):
        return InputError(
            asked,
            f"access to it must be granted first (HTTP {status})",
            f"Ask for access on https://huggingface.co/{hub_id}, then log in with `hf auth login`",
        )
    if isinstance(error, RevisionNotFoundError):
        return InputError(
            asked, f"the hub has no such revision (HTTP {status})", "Give a commit, tag or branch"
        )
    if isinstance(error, RepositoryNotFoundError) or status in (401, 403, 404):
        if _is_dataset(hub_id):
            return InputError(asked, "the hub has a data set of that name, and no model", "Give a model's id")
        found, remedy = _NO_MODEL.get(status or 404, _NO_MODEL[404])
        return InputError(asked, f"{found} (HTTP {status})", remedy)
    if status == 429:
        return InputError(
            asked, "the hub takes no more requests for now (HTTP 429)", "Wait, or log in with `hf auth login`"
        )
    return InputError(
        asked, f"the hub answered with HTTP {status}", "Try again later, or give WEIGHTS= a folder"
    )


_NO_MODEL = {
    401: (
        "the hub has no such model, or it is private",
        "Check the spelling, or log in with `hf auth login`",
    ),
    403: (
        "the account that is logged in may not read it",
        "Log in with a token that may, by `hf auth login`",
    ),
    404: (
        "the hub has no such model, or none that this account may see",
        "Check the spelling, or log in with `hf auth login`",
    ),
}
"""What an answer means, and what to do."""


def _is_dataset(hub_id: str) -> bool:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import httpx

    try:
        HfApi().dataset_info(hub_id, timeout=_TIMEOUT_SECONDS)
    except (HfHubHTTPError, httpx.TransportError, OSError, ValueError):  # not there, or no answer
        return False
    return True


def _asked(hub_id: str, revision: str | None) -> str:
    return f"the model {hub_id}" + (f" at revision {revision}" if revision else "")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
