"""The errors that reach a user: each says what was asked, what was found, and what to do."""

from __future__ import annotations


class PitomeError(Exception):
    """Bad input or a broken environment. The command line prints it without a traceback.

    Args:
        asked: what was wanted, such as ``"RATIO=1.5"``.
        found: what stands in the way.
        remedy: what the user can do about it.
    """

    exit_code = 2

    def __init__(self, asked: str, found: str, remedy: str) -> None:
        self.asked, self.found, self.remedy = asked, found, remedy
        # A name in what was asked may hold a line break; only the lists in what was found begin lines.
        asked = asked.replace("\n", "\\n")
        super().__init__(f"{asked}: {found.removesuffix('.')}. {remedy}")


class InputError(PitomeError):
    """An option, model, tensor or file that cannot be used as it is."""


class BackendError(PitomeError):
    """A runtime or builder that is missing, or that refused the model."""


class BundleError(PitomeError):
    """A bundle that is incomplete, tampered with, or of another version or target."""


class ParityError(PitomeError):
    """The checked artefact does not compute what PyTorch computes. Nothing is published."""

    exit_code = 1
