"""The commands that build a bundle again and measure what its report shows, from its manifest."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.bundle.manifest import Manifest

if TYPE_CHECKING:
    from pitome.validate.sweep.results_table import SweepFile


def reproduce_command(manifest: Manifest) -> str:
    """The ``make engine`` line of a bundle, for a POSIX shell.

    It is what the user typed, or what the options say.
    """
    return manifest.build.command


def section_commands(manifest: Manifest, bundle: Path | None = None) -> dict[str, str]:
    """What makes the numbers of each part of the report, for a POSIX shell.

    Args:
        manifest: of the bundle.
        bundle: where it lies; None = where ``make engine`` puts it.
    """
    flags = bench_flags(None if manifest.latency is None else manifest.latency.model_dump(mode="json"))
    if bundle is None:
        model = f"MODEL={shlex.quote(named_model(manifest))}"
        validate = f"make validate {model}"
        bench = f"make bench {model} BENCH_FLAGS={shlex.quote(shlex.join(flags))}"
        sweep = f"make sweep {model}"
    else:
        validate = shlex.join(["pitome", "validate", str(bundle)])
        bench = shlex.join(["pitome", "bench", str(bundle), *flags])
        sweep = shlex.join(["pitome", "sweep", named_model(manifest)])
    recorded = None if manifest.parity is None else manifest.parity.command
    return {
        "parity": recorded or validate,
        "accuracy": validate,
        "merge_maps": validate,
        "spectrum": validate,
        "latency": bench,
        "sweep": sweep,
    }


def named_model(manifest: Manifest) -> str:
    """MODEL as the user gave it, where the build recorded it: the name of a bundle has no slashes."""
    return manifest.build.model.model


def bench_flags(latency: Mapping[str, Any] | None) -> list[str]:
    """Options of ``pitome bench`` that lead to a latency report again, or to one where there is none."""
    if not latency:
        return ["--record"]
    configuration: Mapping[str, Any] = latency.get("configuration") or {}
    flags = ["--all"] if latency.get("comparison") else []
    for result in latency["results"]:
        flags += ["--batch", str(result["batch"])]
    flags += ["--threads", str(latency["threads"])]
    seconds = configuration.get("min_seconds")
    return flags if seconds is None else [*flags, "--latency-seconds", f"{seconds:g}"]


def sweep_command(model: str, found: SweepFile, path: Path) -> str:
    """What wrote a file of a sweep: its own word, or what its first line and its records know.

    A file that several commands wrote, one after the other, takes all of them in that order.

    Args:
        model: MODEL, as the user names it.
        found: the file.
        path: where it lies.
    """
    if found.commands:
        return " && ".join(found.commands)
    known = found.configuration
    words = ["pitome", "sweep", model]
    for task in found.tasks:
        words += ["--task", task]
    for option in ("split", "limit", "data", "image_size", "sequence_length"):
        if known.get(option) is not None:
            words += [f"--{option.replace('_', '-')}", str(known[option])]
    if known.get("seed"):
        words += ["--seed", str(known["seed"])]
    speed = next((record.speed for record in found.records if record.speed is not None), None)
    if speed is not None:
        words += ["--latency", "--batch", str(speed.batch), "--threads", str(speed.threads)]
    line = shlex.join([*words, "--out", str(path)])
    return f"{line}  # and the grid's options, which the file does not tell"
