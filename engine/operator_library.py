"""The operator library of a build: the user's, one that is built here, or none and the reason."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pitome.bundle.build_options import NATIVE_AUTO, CheckOptions
from pitome.engine.workplace import Workplace
from pitome.errors import BackendError, InputError, PitomeError
from pitome.plugins.tools.native_build import NativeOptions, build_native
from pitome.runtime.devices import CPU
from pitome.runtime.native import NATIVE_NAME, NativeLibrary, describe_native


@dataclass(frozen=True)
class OperatorLibrary:
    """The library in the bundle, or why there is none although it was asked for if it can be had."""

    library: NativeLibrary | None = None
    left_out: str | None = None


def check_native(check: CheckOptions) -> None:
    """Whether the library that was asked for can be used here; with ``auto`` a build finds out.

    Raises:
        InputError: it has no operator for the device.
        BackendError: it does not load here.
    """
    if check.native is None or check.native == NATIVE_AUTO:
        return
    if check.device != CPU.name:
        raise InputError(
            f"NATIVE={check.native} with DEVICE={check.device}",
            "the library has the operator for the CPU only",
            "Leave NATIVE out, or use DEVICE=cpu",
        )
    describe_native(check.native).check()


def check_merges(check: CheckOptions, num_merges: int) -> None:
    """Whether there is anything for the library to compute.

    Raises:
        InputError: the user's own library for a model without a merge.
    """
    if check.native is not None and check.native != NATIVE_AUTO and num_merges == 0:
        raise InputError(
            f"NATIVE={check.native} for a model without a merge of the operator",
            "there is nothing for the library to compute",
            "Leave NATIVE out",
        )


def place_native(place: Workplace, check: CheckOptions, num_merges: int) -> OperatorLibrary:
    """Copy the operator library into the bundle, where one was asked for; the copy is checked and measured.

    Raises:
        BackendError: the user's own does not load here.
    """
    if check.native is None:
        return OperatorLibrary()
    if check.native != NATIVE_AUTO:
        return OperatorLibrary(_copy(check.native, place.folder))
    reason = None
    if num_merges == 0:
        reason = "the model has no merge of the operator"
    elif check.device != CPU.name:
        reason = f"it has the operator for the CPU only, and the device is {check.device}"
    else:
        try:
            with place.progress.step("Build the operator library"):
                built = build_native(NativeOptions(), place.progress.note)
            return OperatorLibrary(_copy(built.libraries[0], place.folder))
        except (BackendError, InputError) as error:
            reason = _in_one_line(error)
    place.progress.note(f"no operator library for onnxruntime: {reason}")
    return OperatorLibrary(left_out=reason)


def _copy(source: Path, folder: Path) -> NativeLibrary:
    copy = folder / NATIVE_NAME
    copy.unlink(missing_ok=True)  # it may be a link to the published bundle's
    describe_native(source).check()  # before it is copied: the message names the user's file
    shutil.copyfile(source, copy)
    return describe_native(copy)


def _in_one_line(error: PitomeError) -> str:
    return " ".join(f"{error.asked}: {error.found}".split())
