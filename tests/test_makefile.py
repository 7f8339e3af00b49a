"""The Makefile's variables are the options of the commands, and its targets say what they are."""

from __future__ import annotations

import re
import shlex

import pytest

from pitome.option import options_of as settings_options
from pitome.settings import MergeSettings
from tests.checkout import ROOT
from tests.command_options import options_of, parse
from tests.make_dry_run import MARKER, make_lines, pitome_arguments

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
ONLY_BY_FLAGS = {
    "--batch",
    "--dry-run",
    "--inlined",
    "--json",
    "--latency-seconds",
    "--parity-images",
    "--quiet",
    "--seed",
    "--threads",
}
"""Options of `pitome engine` that have no variable: ENGINE_FLAGS takes them."""
VALUES = {
    "BACKEND": "tensorrt",
    "CANDIDATES": "40",
    "COLUMN": "body",
    "DEVICE": "cuda",
    "EMBED_PLUGIN": "1",
    "ENERGY": "eq4",
    "FLOPS": "0.7",
    "GRID": "full",
    "IMAGE_SIZE": "224",
    "INPUTS": "images:some photos",
    "LAYERS": "4,5",
    "LIMIT": "10",
    "MARGIN": "0.9,0.9",
    "MAX_DROP": "1",
    "MERGE_PATH": "function,plugin",
    "METHOD": "authors-2024",
    "METRIC": "keys",
    "NAME": "mine",
    "NATIVE": "library.so",
    "OUT": "some folder",
    "PLUGIN": "library.so",
    "PRECISION": "fp32",
    "PROFILE": "1,2,4",
    "PROP_ATTN": "0",
    "PROTECT": "0.2",
    "R": "3",
    "RATIO": "0.8",
    "REQUIRE": "accuracy,latency",
    "SEQUENCE_LENGTH": "64",
    "SHAPE": "constant",
    "SIZE_PENALTY": "0",
    "SPLIT": "alternate_second",
    "STRICT": "1",
    "TARGETS": "sm89",
    "TASK": "photos",
    "THRESHOLDS": "limits.toml",
    "TOWER": "image",
    "WEIGHTS": "random",
}

UNBUILT = "OUT=unbuilt"
"""A folder without bundles; in build/ the random weights' one is taken where that alone is there."""


def table(name: str) -> list[str]:
    return re.findall(rf"^#{name}: *([A-Z_]+)\|", MAKEFILE, flags=re.MULTILINE)


def option_of(variable: str) -> str:
    return "--" + variable.lower().replace("_", "-")


ENGINE = [variable for variable in table("engine") if variable != "MODEL"]
SWEEP = [*table("sweep"), "COLUMN", "IMAGE_SIZE", "SEQUENCE_LENGTH", "WEIGHTS"]
SWEEP.remove("ACCEPT_MEAN")  # a flag, which takes no value


def test_every_option_of_engine_is_a_variable() -> None:
    assert {option_of(variable) for variable in ENGINE} | ONLY_BY_FLAGS == options_of("engine")
    assert not {option_of(variable) for variable in ENGINE} & ONLY_BY_FLAGS


@pytest.mark.parametrize("target", ["engine", "dry-run"])
@pytest.mark.parametrize("variable", ENGINE)
def test_a_variable_becomes_the_option_of_its_name(target: str, variable: str) -> None:
    value = VALUES[variable]
    arguments = pitome_arguments(target, "MODEL=deit-s16", "NATIVE=", f"{variable}={value}")
    shown = ["--dry-run"] if target == "dry-run" else []
    assert arguments == ["engine", "deit-s16", option_of(variable), value, *shown]
    assert parse(arguments)


@pytest.mark.parametrize("name", ["method", "metric", "energy", "split"])
def test_the_page_names_every_value(name: str) -> None:
    (line,) = re.findall(rf"^#engine: *{name.upper()}\|(.+?) \[", MAKEFILE, flags=re.MULTILINE)
    listed = re.split(r", | or ", line.partition(": ")[2] or line.removeprefix("measure similarity on "))
    assert set(listed) == set(settings_options(MergeSettings)[name].allowed)


@pytest.mark.parametrize("target", ["sweep", "tune"])
@pytest.mark.parametrize("variable", SWEEP)
def test_so_does_one_of_sweep_and_tune(target: str, variable: str) -> None:
    arguments = pitome_arguments(target, f"{variable}={VALUES[variable]}")
    taken = [] if (target, variable) == ("sweep", "MAX_DROP") else [option_of(variable), VALUES[variable]]
    assert arguments == [target, "clip-b16", *taken]
    assert parse(arguments)


def test_the_mean_is_accepted_by_tune_where_the_variable_is_1() -> None:
    assert pitome_arguments("tune", "ACCEPT_MEAN=1") == ["tune", "clip-b16", "--accept-mean"]
    assert parse(["tune", "clip-b16", "--accept-mean"])
    assert pitome_arguments("tune", "ACCEPT_MEAN=0") == ["tune", "clip-b16"]


@pytest.mark.parametrize("variable", table("validate"))
def test_so_does_one_of_validate(variable: str) -> None:
    arguments = pitome_arguments("validate", UNBUILT, f"{variable}={VALUES[variable]}")
    assert arguments == ["validate", "unbuilt/clip-b16", option_of(variable), VALUES[variable]]
    assert parse(arguments)


@pytest.mark.parametrize("target", ["validate", "bench"])
def test_a_bundle_is_checked_and_measured_on_a_device(target: str) -> None:
    arguments = pitome_arguments(target, "DEVICE=cuda", UNBUILT)
    assert arguments == [target, "unbuilt/clip-b16", "--device", "cuda"]
    assert parse(arguments)


def test_a_bundle_is_checked_on_a_users_files() -> None:
    files = ("TASK=texts:my texts.csv", "COLUMN=body", "INPUTS=texts:my texts.csv", "LIMIT=10")
    arguments = pitome_arguments("validate", *files, UNBUILT)
    assert arguments == [
        *("validate", "unbuilt/clip-b16", "--task", "texts:my texts.csv", "--limit", "10"),
        *("--column", "body", "--inputs", "texts:my texts.csv"),
    ]
    assert parse(arguments)


def test_what_is_not_set_is_not_given() -> None:
    assert pitome_arguments("engine", "NATIVE=") == ["engine", "clip-b16"]
    assert pitome_arguments("engine", "NATIVE=", "ENGINE_FLAGS=--batch 1") == [
        *("engine", "clip-b16", "--batch", "1")
    ]
    assert pitome_arguments("models") == ["models"]


def test_the_operator_library_is_built_where_it_can_be() -> None:
    arguments = pitome_arguments("engine")
    assert arguments == ["engine", "clip-b16", "--native", "auto"]
    assert parse(arguments)


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        ((UNBUILT,), "unbuilt/clip-b16"),
        (("MODEL=openai/clip@abc", "OUT=other"), "other/openai--clip"),
        (("MODEL=build/fashion-vit.preset.toml",), "build/fashion-vit"),
        (("NAME=mine",), "build/mine"),
        (("BUNDLE=elsewhere/mine",), "elsewhere/mine"),
    ],
)
@pytest.mark.parametrize("target", ["validate", "bench", "inspect"])
def test_the_bundle_of_a_model_is_where_engine_puts_it(
    target: str, words: tuple[str, ...], folder: str
) -> None:
    assert pitome_arguments(target, *words)[:2] == [target, folder]


def test_a_name_of_the_environment_is_not_the_bundle_s() -> None:
    """WSL has the machine's name in NAME."""
    arguments = pitome_arguments("inspect", UNBUILT, environment={"NAME": "machine"})
    assert arguments == ["inspect", "unbuilt/clip-b16"]


def test_the_tiers_divide_the_tests() -> None:
    def marked(target: str) -> str:
        (line,) = [line for line in make_lines(target) if "-m pytest" in line]
        found = re.search(r'-m "(.+?)"', line)
        assert found is not None
        return found[1]

    assert marked("test") == "not gpu and not full"
    assert marked("test-full") == "full and not gpu"
    assert marked("test-quick") == "not gpu and not full and not slow"


def plugin_builds(target: str) -> list[list[str]]:
    found = [shlex.split(line)[2:] for line in make_lines(target) if line.startswith(MARKER)]
    return [arguments for arguments in found if arguments[0] == "plugin"]


def test_make_test_compiles_nothing_for_gpus() -> None:
    host = ["plugin", "--host", "--programs", "tests/plugins"]
    native = ["plugin", "--native", "--programs", "tests/plugins/cpu"]
    cuda = ["plugin", "--native", "--cuda"]
    assert plugin_builds("test") == [host, native, [*cuda, "--host"]]
    assert plugin_builds("test-full") == [
        [*host, "--sanitize"],
        ["plugin"],
        [*native, "--sanitize"],
        cuda,
    ]
    assert plugin_builds("test-quick") == []


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, flags=re.MULTILINE))


def test_help_shows_every_target() -> None:
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", MAKEFILE, flags=re.MULTILINE)
    assert phony is not None
    assert targets() == set(phony[1].replace("\\\n", "").split())


def test_ci_runs_all_tests() -> None:
    run = set(re.findall(r"^ *part make ([a-z-]+)", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE))
    assert {"engine", "validate", "test", "test-full"} <= run <= targets()


def test_commits_are_checked_by_the_tools_of_lint() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    of_lint = {shlex.split(line)[0] for line in make_lines("lint")}
    assert set(re.findall(r"entry: (\S+)", hooks)) == of_lint
