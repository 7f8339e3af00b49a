"""The commands that build a bundle again and measure what its report shows, from its manifest."""

from __future__ import annotations

import shlex

from pitome.manifest import Manifest
from pitome.schedule import Candidates, choose_candidates

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
    recorded = manifest.environment.get("command")
    if isinstance(recorded, str) and recorded:
        return recorded
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


def section_commands(manifest: Manifest) -> dict[str, str]:
    """What makes the numbers of each part of the report, for a POSIX shell.

    They hold for the folder that ``make engine`` wrote the bundle to.
    """
    model = f"MODEL={shlex.quote(manifest.model.name)}"
    validate = f"make validate {model}"
    return {
        "parity": validate,
        "accuracy": validate,
        "merge_maps": validate,
        "spectrum": validate,
        "latency": f"make bench {model}",
        "sweep": f"make sweep {model}",
    }


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
