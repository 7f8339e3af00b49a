"""What the Hugging Face hub answers, in words: of models that come from it and bundles that go to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitome.errors import InputError

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

TIMEOUT_SECONDS = 5.0
"""For the first word of an answer."""
COMMIT = re.compile(r"[0-9a-f]{40}")
"""A revision that never changes."""


class HubUnreachableError(InputError):
    """No connection to the hub, and nothing in its local cache."""


def model_info(api: HfApi, asked: str, hub_id: str, revision: str | None = None) -> ModelInfo:
    """What the hub says of a repository, with the sizes of its files.

    One request without retries tells quickly whether there is a connection.

    Raises:
        HfHubHTTPError, httpx.TransportError, OfflineModeIsEnabled: the library's, for the hub's refusal.
        InputError: what answered is no hub.
    """
    try:
        return api.model_info(hub_id, revision=revision, timeout=TIMEOUT_SECONDS, files_metadata=True)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if type(error).__module__.startswith("huggingface_hub"):  # its error for ids is a ValueError
            raise
        raise InputError(
            asked,
            f"what answered is no hub ({first_line(error)})",
            "Check HF_ENDPOINT, and whether a proxy stands between",
        ) from error


def refused(asked: str, hub_id: str, error: Exception, instead: str) -> InputError:
    """The error for an answer of the hub that is none of what was asked for.

    Args:
        asked: what was asked for, such as ``"the model org/name"``.
        hub_id: of the repository.
        error: the library's.
        instead: what to do without the hub, such as ``"give a folder"``.
    """
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
    return InputError(asked, f"the hub answered with HTTP {status}", f"Try again later, or {instead}")


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
        HfApi().dataset_info(hub_id, timeout=TIMEOUT_SECONDS)
    except (HfHubHTTPError, httpx.TransportError, OSError, ValueError):  # not there, or no answer
        return False
    return True


def first_line(error: BaseException) -> str:
    """What an error says in its first line, without the dot at the end."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
