"""Which plan the options ask for, from the command line and from make."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pitome.bundle import Manifest, NativeRecord
from pitome.bundle.build_options import Backend, MergePath, parse_merge_paths
from pitome.engine.checks import plan_requests
from pitome.engine.keys import plan_key
from pitome.engine.options import PlanOptions
from pitome.errors import InputError
from tests.cli.command_line import ROOT
from tests.pitome.bundle.bundle_cases import KEY, document

DEFAULT = Path("build/plugin/libpitome_plugin.so")
OWN = Path("own.so")
FOUR = ("sm80", "sm86", "sm89", "sm120")


@pytest.mark.parametrize(
    ("backend", "merge_path", "plugin", "expected"),
    [
        ("tensorrt_rtx", None, None, ("function", None)),
        ("tensorrt", None, None, ("plugin", DEFAULT)),
        ("tensorrt", "plugin", OWN, ("plugin", OWN)),
        ("tensorrt", "function", None, ("function", None)),
        # Contradictions stay, for the check to refuse.
        ("tensorrt", "function", OWN, ("function", OWN)),
        ("tensorrt_rtx", "plugin", None, ("plugin", DEFAULT)),
    ],
)
def test_merge_path_and_plugin(
    backend: Backend, merge_path: MergePath | None, plugin: Path | None, expected: tuple[str, Path | None]
) -> None:
    paths = None if merge_path is None else (merge_path,)
    options = PlanOptions(backend=backend, merge_path=paths, plugin=plugin, embed_plugin=True)
    (request,) = plan_requests(Path("bundle"), options, "model.onnx", 12)
    assert (request.merge_path, request.plugin, request.embed_plugin) == (*expected, True)
    assert request.plan == Path(f"bundle/model.fp16.{backend}.{expected[0]}.plan")


@pytest.mark.parametrize("text", ["function,plugin", "plugin,function", " Plugin , function "])
def test_both_ways_are_two_plans(text: str) -> None:
    """What is said of the library is for one of them."""
    options = PlanOptions(merge_path=parse_merge_paths(text), plugin=OWN, embed_plugin=True)
    function, plugin = plan_requests(Path(), options, "model.onnx", 12)
    assert (function.merge_path, function.plugin, function.embed_plugin) == ("function", None, False)
    assert (plugin.merge_path, plugin.plugin, plugin.embed_plugin) == ("plugin", OWN, True)
    assert function.plan.name == "model.fp16.tensorrt_rtx.function.plan"
    assert plugin.plan.name == "model.fp16.tensorrt_rtx.plugin.plan"
    (unmerged,) = plan_requests(Path(), options, "model.onnx", 0)
    assert unmerged.plan.name == "model.fp16.tensorrt_rtx.none.plan"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("typo", "there is no merge path 'typo'"),
        ("function,typo", "there is no merge path 'typo'"),
        ("function,function", "function stands there more than once"),
        ("plugin,function,plugin", "plugin stands there more than once"),
        ("function,", "no merge path is named"),
        ("", "no merge path is named"),
    ],
)
def test_other_ways_are_refused(text: str, found: str) -> None:
    refused = f"^MERGE_PATH={text}: {found}. Choose function, plugin or function,plugin$"
    with pytest.raises(InputError, match=refused):
        parse_merge_paths(text)
    options = PlanOptions(merge_path=tuple(text.split(",")))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=refused):
        plan_requests(Path(), options, "model.onnx", 12)


@pytest.mark.parametrize(
    ("options", "function", "plugin"),
    [
        (PlanOptions(), FOUR, ("sm75", *FOUR)),
        (PlanOptions("fp32"), FOUR, FOUR),
        (PlanOptions("bf16"), FOUR, FOUR),
        (PlanOptions(targets=("sm75",)), ("sm75",), ("sm75",)),
        (PlanOptions(backend="tensorrt"), (), ()),
    ],
)
def test_targets(options: PlanOptions, function: tuple[str, ...], plugin: tuple[str, ...]) -> None:
    """Without TARGETS, sm75 is one of them where everything that the plan multiplies is float16."""
    both = replace(options, merge_path=("function", "plugin"))
    found = [request.targets for request in plan_requests(Path(), both, "model.onnx", 12)]
    assert found == [function, plugin]


def test_a_plan_is_made_anew_where_its_merges_go_another_way() -> None:
    graph = Manifest.model_validate(document()).onnx[0]
    options = PlanOptions(backend="tensorrt", merge_path=("plugin",), plugin=OWN)
    library = NativeRecord(file="libpitome_plugin.so", sha256=KEY, kind="tensorrt", version="0.1.0")

    def key(options: PlanOptions, version: str, plugin: NativeRecord | None) -> str:
        (request,) = plan_requests(Path(), options, graph.file, 12)
        return plan_key(graph, request, version, plugin)

    asked = [
        (options, "10.7", library),
        (options, "10.7", library.model_copy(update={"sha256": "1" * 64})),
        (options, "10.7", None),
        (options, "11.4", library),
        (replace(options, embed_plugin=True), "10.7", library),
        (replace(options, merge_path=("function",)), "10.7", None),
    ]
    assert len({key(*each) for each in asked}) == len(asked)
    elsewhere = replace(options, plugin=Path("/elsewhere.so"))
    assert key(elsewhere, "10.7", library) == key(*asked[0])


def test_make_passes_them_on() -> None:
    variables = [
        "MERGE_PATH=function,plugin",
        "PLUGIN=own folder/own.so",
        "EMBED_PLUGIN=1",
        "BACKEND=tensorrt",
    ]
    command = ["make", "--dry-run", "--silent", "engine", *variables]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert '--backend "tensorrt"' in printed
    assert '--merge-path "function,plugin" --plugin "own folder/own.so" --embed-plugin "1"' in printed
    assert "libpitome_plugin" not in printed, "engine does not build the plugin"
