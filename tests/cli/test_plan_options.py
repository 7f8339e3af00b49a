"""Which plan the options ask for, from the command line and from make."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pitome.bundle import Manifest, NativeRecord
from pitome.bundle.build_options import Backend, MergePath
from pitome.engine.checks import plan_request
from pitome.engine.keys import plan_key
from pitome.engine.options import PlanOptions
from tests.cli.command_line import ROOT
from tests.pitome.bundle.bundle_cases import KEY, document

DEFAULT = Path("build/plugin/libpitome_plugin.so")
OWN = Path("own.so")


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
    options = PlanOptions(backend=backend, merge_path=merge_path, plugin=plugin, embed_plugin=True)
    request = plan_request(Path("bundle"), options, "model.onnx", 12)
    assert (request.merge_path, request.plugin, request.embed_plugin) == (*expected, True)


def test_a_plan_is_made_anew_where_its_merges_go_another_way() -> None:
    graph = Manifest.model_validate(document()).onnx[0]
    options = PlanOptions(backend="tensorrt", merge_path="plugin", plugin=OWN)
    library = NativeRecord(file="libpitome_plugin.so", sha256=KEY, kind="tensorrt", version="0.1.0")

    def key(options: PlanOptions, version: str, plugin: NativeRecord | None) -> str:
        return plan_key(graph, plan_request(Path(), options, graph.file, 12), version, plugin)

    asked = [
        (options, "10.7", library),
        (options, "10.7", library.model_copy(update={"sha256": "1" * 64})),
        (options, "10.7", None),
        (options, "11.4", library),
        (replace(options, embed_plugin=True), "10.7", library),
        (replace(options, merge_path="function"), "10.7", None),
    ]
    assert len({key(*each) for each in asked}) == len(asked)
    elsewhere = replace(options, plugin=Path("/elsewhere.so"))
    assert key(elsewhere, "10.7", library) == key(*asked[0])


def test_make_passes_them_on() -> None:
    variables = ["MERGE_PATH=plugin", "PLUGIN=own folder/own.so", "EMBED_PLUGIN=1", "BACKEND=tensorrt"]
    command = ["make", "--dry-run", "--silent", "engine", *variables]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert '--backend "tensorrt"' in printed
    assert '--merge-path "plugin" --plugin "own folder/own.so" --embed-plugin "1"' in printed
    assert "libpitome_plugin" not in printed, "engine does not build the plugin"
