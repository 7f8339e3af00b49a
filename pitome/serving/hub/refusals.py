"""What the hub, or the way to it, has against a push, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pitome.errors import InputError, PitomeError
from pitome.hub_answers import HubUnreachableError, first_line
from pitome.serving.hub.card_facts import printable

_AS_BEFORE = "the revision is as it was"
_ANSWERS = {
    401: ("the hub does not take the token", "Log in again with `hf auth login`, or give another --token"),
    402: ("the hub asks for payment", "See the account's settings on the hub"),
    403: ("the token may not write there", "Give a token that may write there, or a repository of your own"),
    404: ("the hub has no such repository or branch for this token", "Check the spelling and the token"),
    409: ("the hub has something of that name already", "Try again, or give another name"),
    412: ("somebody else pushed there at the same time", "Look at what they pushed, and push again"),
    413: ("the hub finds it too large", "Push a smaller bundle, or ask the hub for more room"),
    429: ("the hub takes no more requests for now", "Wait, and push again"),
}
_LONGEST = 200


@contextmanager
def push_errors(asked: str) -> Iterator[None]:
    """Turn the library's errors into ours.

    Args:
        asked: what was wanted.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
    from huggingface_hub.utils import httpx

    try:
        yield
    except PitomeError:
        raise
    except HFValidationError as error:
        raise InputError(asked, printable(str(error)).rstrip("."), "Give org/name") from error
    except OfflineModeIsEnabled as error:
        raise HubUnreachableError(
            asked, "HF_HUB_OFFLINE is set, so nothing can be sent", "Unset it, or push from another machine"
        ) from error
    except (
        HfHubHTTPError,
        httpx.TransportError,
        ConnectionError,
        RuntimeError,
        ValueError,
        KeyError,
    ) as error:
        raise _told(asked, error) from error
    except OSError as error:
        if error.errno is not None:  # of the file system: the command line says which file
            raise
        raise _told(asked, error) from error


def _told(asked: str, error: BaseException) -> InputError:
    """The library wraps what went wrong while it sent a file."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import httpx

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HfHubHTTPError):
            return _answered(asked, cause)
        if isinstance(cause, httpx.TransportError | ConnectionError):
            return HubUnreachableError(
                asked,
                f"the hub can't be reached ({first_line(cause)}); {_AS_BEFORE}",
                "Check the connection, and push again",
            )
        cause = cause.__cause__ or cause.__context__
    told = printable(" ".join(str(error).split()))[:_LONGEST] or type(error).__name__
    return InputError(asked, f"the hub refuses it ({told}); {_AS_BEFORE}", "Correct that, and push again")


def _answered(asked: str, error: Exception) -> InputError:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    found, remedy = _ANSWERS.get(status or 0, ("the hub answered with an error", "Try again later"))
    said = printable(str(getattr(error, "server_message", None) or ""))[:_LONGEST].rstrip(".")
    words = f'HTTP {status}: "{said}"' if said else f"HTTP {status}"
    return InputError(asked, f"{found} ({words}); {_AS_BEFORE}", remedy)
