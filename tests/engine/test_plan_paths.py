"""``pitome plans``: the plans of both merge paths, as numbers and as a table. No time is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitome.engine.plan_paths import PathPlan, PlanPaths, paths_markdown
from tests.cli.command_line import contents, pitome
from tests.export.plans.plugin_files import (
    BUILT_HOST_PLUGIN,
    NO_CREATORS,
    built,
    compile_library,
    with_creators_of,
)

FUNCTION = PathPlan(
    merge_path="function", layers=4766, plugin_layers=0, bytes=227_000_000, build_seconds=(10.0, 8.0, 9.0)
)
PLUGIN = PathPlan(
    merge_path="plugin", layers=902, plugin_layers=12, bytes=191_000_000, build_seconds=(5.0, 2.0, 9.0)
)
FOUND = PlanPaths(
    model="clip-b16",
    merges=12,
    precision="fp16",
    backend="tensorrt_rtx",
    backend_version="1.7.1.116",
    targets=("sm80", "sm89"),
    profile=(1, 8, 32),
    function=FUNCTION,
    plugin=PLUGIN,
)


def test_a_time_is_told_as_a_ratio_of_its_round() -> None:
    assert FOUND.build_ratios == (0.5, 0.25, 1.0)
    assert paths_markdown([FOUND]) == (
        "TensorRT-RTX 1.7.1.116, sm80, sm89, batch 1/8/32; 3 rounds.\n"
        "\n"
        "| model | merge path | layers | of them plugins | plan | build time to the function's |\n"
        "|---|---|---|---|---|---|\n"
        "| clip-b16, fp16 | function | 4,766 | 0 | 227 MB | 1 |\n"
        "| clip-b16, fp16 | plugin | 902 | 12 | 191 MB | 0.50 (0.25 to 1.00) |\n"
    )


def test_one_round_has_no_spread() -> None:
    function, plugin = (
        path.model_copy(update={"build_seconds": path.build_seconds[:1]}) for path in (FUNCTION, PLUGIN)
    )
    table = paths_markdown([FOUND.model_copy(update={"function": function, "plugin": plugin})])
    assert "; 1 round.\n" in table
    assert "| 191 MB | 0.50 |\n" in table


def test_both_plans_of_a_bundle(copied: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    library = compile_library(tmp_path, with_creators_of(built(BUILT_HOST_PLUGIN)))
    before = contents(copied)
    outcome = pitome("plans", copied, "--rounds", "1", "--plugin", library, "--json")
    assert outcome.code == 0, outcome.err
    (found,) = outcome.document
    function, plugin = found["function"], found["plugin"]
    assert (found["model"], found["merges"], found["precision"]) == ("clip-tiny", 3, "fp16")
    assert found["targets"] == ["sm80", "sm86", "sm89", "sm120"]
    assert (function["merge_path"], function["plugin_layers"]) == ("function", 0)
    assert (plugin["merge_path"], plugin["plugin_layers"]) == ("plugin", 3)
    assert 3 < plugin["layers"] < function["layers"]
    assert found["build_ratios"] == [plugin["build_seconds"][0] / function["build_seconds"][0]]
    assert contents(copied) == before, "the bundle stays as it was"


def test_what_is_refused_is_refused_before_anything_is_built(copied: Path, tmp_path: Path) -> None:
    absent = pitome("plans", copied, tmp_path / "absent", "--plugin", compile_library(tmp_path, NO_CREATORS))
    assert absent.code == 2
    assert f"bundle {tmp_path / 'absent'}: there is no such folder" in absent.message
    assert "Build " not in absent.err
    refused = pitome("plans", copied, "--plugin", "absent.so")
    assert refused.code == 2
    assert "the plugin library absent.so: there is no such file. Run `make plugin` or" in refused.message
    assert pitome("plans", copied, "--rounds", "0").code == 2
