"""MODEL=FILE.preset.toml: the settings of a preset file as defaults of the options."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from pitome.models.preset_file import PresetFile, PresetSchedule, is_preset_file, read_preset_file

_SCHEDULE = ("ratio", "r", "flops", "shape", "layers")
_METHOD = {
    "metric": "metric",
    "margin": "margin",
    "energy": "energy",
    "split": "split",
    "size_penalty": "size_penalty",
    "prop_attn": "proportional_attention",
}
"""Option -> key of [method]; the candidates have two options."""
_CANDIDATES = ("protect", "candidates")
_MODEL = ("weights", "image_size", "sequence_length")


def with_preset_file(
    arguments: dict[str, Any], given: Collection[str], note: Callable[[str], None]
) -> dict[str, Any]:
    """The arguments of a command, with those of a preset file where the user gave none.

    Args:
        arguments: by the names of the options; ``model`` may be a preset file.
        given: names that stand on the command line.
        note: told what the file sets, and which of its settings an option replaces.

    Returns:
        The same arguments where MODEL is no preset file.

    Raises:
        InputError: a preset file that can't be used.
    """
    model = str(arguments["model"])
    if not is_preset_file(model):
        return arguments
    path = Path(model.strip()).expanduser()
    preset = read_preset_file(path)
    found = dict(arguments)
    replaced: list[str] = []

    def choose(names: Collection[str], values: dict[str, Any]) -> None:
        """Set options that belong together, unless one of them was given."""
        on_line = [name for name in names if name in given]
        held = {name: value for name, value in values.items() if value is not None}
        if not on_line:
            found.update(held)
        elif held:
            options = " and ".join(f"{name.upper()}={arguments[name]}" for name in on_line)
            replaced.append(f"{options} in place of {_told(held)}")

    choose(_SCHEDULE, _schedule_options(preset.schedule))
    for name in _MODEL:
        choose([name], {name: getattr(preset.model, name)})
    _choose_method(preset, arguments, given, choose, replaced)
    note(f"{path}: settings for {preset.model.name}, method {preset.method.name}")
    for text in replaced:
        note(f"{path}: {text}")
    return found


def _choose_method(
    preset: PresetFile,
    arguments: dict[str, Any],
    given: Collection[str],
    choose: Callable[[Collection[str], dict[str, Any]], None],
    replaced: list[str],
) -> None:
    method = preset.method
    if "method" in given and str(arguments["method"]) != method.name:
        # The others are settings of the file's method and mean nothing to another one.
        replaced.append(f"METHOD={arguments['method']} in place of {method.name} and all of its settings")
        return
    choose(["method"], {"method": method.name})
    for option, key in _METHOD.items():
        value = getattr(method, key)
        if key == "margin" and value is not None:
            value = ",".join(map(repr, value))
        choose([option], {option: int(value) if isinstance(value, bool) else value})
    choose(_CANDIDATES, _candidates_options(method.candidates))
    choose(["seed"], {"seed": method.seed})


def _schedule_options(schedule: PresetSchedule) -> dict[str, Any]:
    merged, layers = schedule.num_merged, schedule.layers
    return {
        "r": None if merged is None else ",".join(map(str, merged)),
        "ratio": schedule.ratio,
        "flops": schedule.flops,
        "shape": schedule.shape,
        "layers": None if layers is None else ",".join(map(str, layers)),
    }


def _candidates_options(candidates: Any) -> dict[str, Any]:
    if isinstance(candidates, float):
        return {"protect": candidates}
    return {"candidates": None if candidates is None else str(candidates)}


def _told(values: dict[str, Any]) -> str:
    return " and ".join(f"{name.upper()}={value}" for name, value in values.items())
