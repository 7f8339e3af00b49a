"""The commands that build a bundle again and measure what its report shows, from its manifest."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.bundle.manifest import Manifest
from pitome.schedule import Candidates, choose_candidates

if TYPE_CHECKING:
    from pitome.validate.sweep.results_table import SweepFile

_DEFAULT_CANDIDATES: dict[str, Candidates] = {
    "pitome": 0.1,
    "paper": "paper",
    "tome": "all",
    "random": "paper",
}


def reproduce_command(manifest: Manifest) -> str:
    """The ``make engine`` line of a bundle, for a POSIX shell.

    It is ``environment.command`` where the build recorded one; else it is put together from the manifest,
    with the schedule as the list of what each layer merges.
    """
    if manifest.build.command:
        return manifest.build.command
    method = manifest.method
    options = {"MODEL": manifest.model.name}
    if manifest.model.weights.random:
        options["WEIGHTS"] = "random"
    options["METHOD"] = method.name
    if any(manifest.schedule.num_merged):
        options["R"] = ",".join(map(str, manifest.schedule.num_merged))
        options["METRIC"] = method.metric
        options["SIZE_PENALTY"] = f"{method.size_penalty:g}"
        options["PROP_ATTN"] = str(int(method.proportional_attention))
        options |= _candidates(manifest)
    options["PRECISION"] = manifest.precision
    if manifest.plans:
        plan = manifest.plans[0]
        options["BACKEND"] = plan.backend
        options["TARGETS"] = ",".join(plan.targets)
        options["PROFILE"] = ",".join(map(str, plan.profile))
    return "make engine " + " ".join(f"{name}={shlex.quote(value)}" for name, value in options.items())


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


def _candidates(manifest: Manifest) -> dict[str, str]:
    """The option that gives the manifest's num_candidates; none where the method's own choice does."""
    method = manifest.method
    if method.name == "authors":
        return {}  # they differ from layer to layer by design
    default = _DEFAULT_CANDIDATES.get(method.name)
    choices: list[Candidates] = ["all", "paper", *(hundredth / 100 for hundredth in range(1, 100))]
    for choice in ([] if default is None else [default]) + choices:
        if _explains(choice, manifest):
            if choice == default:
                return {}
            if isinstance(choice, str):
                return {"CANDIDATES": choice}
            return {"PROTECT": f"{choice:g}"}
    wanted = {m for m, r in zip(*_counts(manifest), strict=True) if r}
    return {"CANDIDATES": str(wanted.pop())} if len(wanted) == 1 else {}


def _explains(choice: Candidates, manifest: Manifest) -> bool:
    """Whether a choice gives every merging layer its number of candidates."""
    schedule = manifest.schedule
    rows = zip(schedule.tokens, schedule.num_merged, schedule.num_candidates, strict=False)
    return all(
        choose_candidates(choice, tokens - manifest.method.num_protected, merged) == candidates
        for tokens, merged, candidates in rows
        if merged
    )


def _counts(manifest: Manifest) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return manifest.schedule.num_candidates, manifest.schedule.num_merged
