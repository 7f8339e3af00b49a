"""The errors that reach a user: each says what was asked, what was found, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

SignatureFault = Literal["missing", "damaged", "key", "changed", "added", "removed"]
"""What is wrong with a signature, or with the files that it is of."""


class PitomeError(Exception):
    """Bad input or a broken environment. The command line prints it without a traceback.

    Args:
        asked: what was wanted, such as ``"RATIO=1.5"``.
        found: what stands in the way.
        remedy: what the user can do about it.
        lines: of a list (``"- one"``) or a log (``"| last words"``) that ends what was found.

    The message is one line, whatever a name or a file's text holds; only ``lines`` begin further ones.
    """

    exit_code = 2

    def __init__(self, asked: str, found: str, remedy: str, lines: Sequence[str] = ()) -> None:
        self.asked, self.found, self.remedy, self.lines = asked, found, remedy, tuple(lines)
        told = "\n  ".join(map(_one_line, (found, *lines))).removesuffix(".")
        super().__init__(f"{_one_line(asked)}: {told}. {_one_line(remedy)}")

    def __reduce__(self) -> tuple[type[PitomeError], tuple[str, str, str, tuple[str, ...]]]:
        """Another process gets the same error: an exception is pickled with its message alone."""
        return type(self), (self.asked, self.found, self.remedy, self.lines)


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n")


class InputError(PitomeError):
    """An option, model, tensor or file that cannot be used as it is."""


class ImageError(InputError):
    """An image that can't be read, or that can't be made what the model takes. A data set skips it."""


class BackendError(PitomeError):
    """A runtime or builder that is missing, or that refused the model."""


class BundleError(PitomeError):
    """A bundle that is incomplete, tampered with, or of another version or target."""


class SignatureError(BundleError):
    """A signature that is not there, is not of this key, or is not of these files; ``kind`` says which.

    The kinds are ``missing``, ``damaged``, ``key``, ``changed``, ``added`` and ``removed``.
    """

    def __init__(self, kind: SignatureFault, asked: str, found: str, remedy: str) -> None:
        self.kind = kind
        super().__init__(asked, found, remedy)


class ParityError(PitomeError):
    """The checked artefact does not compute what PyTorch computes. Nothing is published."""

    exit_code = 1
