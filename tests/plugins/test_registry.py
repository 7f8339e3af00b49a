"""Both libraries, built for TensorRT 10.14, in the plugin registry of TensorRT 11.4's lean runtime."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pitome.op import node_attributes
from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import HOST_LIBRARY
from tests.device_library import DEVICE_LIBRARY

LIBRARIES = [HOST_LIBRARY, pytest.param(DEVICE_LIBRARY, marks=pytest.mark.full)]
SCRIPT = Path(__file__).with_name("registry_script.py")
NAMES = [name for name in node_attributes(MergeParameters(1, 2)) if not name.startswith("plugin_")]
INT32, FLOAT32, CHAR = 5, 1, 6
IDENTITY = (
    "num_merged=19 num_candidates=176 num_protected=1 margin=0x1p-1 offset=0x1p-1 width=0x1p+0 "
    "alpha=0x1p+0 size_penalty=0x1p-2 order=energy function=piecewise split=alternate"
)

by_library = pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: str(library.name))


@cache
def ask_registry(library: Path) -> tuple[dict[str, Any], list[str]]:
    """What the script found, and its stderr by lines. A process has one registry: hence another process."""
    assert library.is_file(), f"{library} is missing: run `make plugin-host`, or `make plugin`, first"
    command = [sys.executable, str(SCRIPT), str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found, done.stderr.splitlines()


@by_library
def test_the_registry_loads_the_library(library: Path) -> None:
    found, _ = ask_registry(library)
    assert found["version"].startswith("11.4.")
    assert not found["creator_before"]
    assert found["creator"] == ["EnergyMerge", "2", "pitome"]
    assert found["creator_kind"] == "PLUGIN CREATOR_V3ONE"
    types = [INT32] * 3 + [FLOAT32] * 5 + [CHAR] * 3 + [INT32] * 6
    assert found["field_names"] == [list(pair) for pair in zip(NAMES, types, strict=True)]
    assert not found["creator_after"], "the registry lets it go"


@by_library
@pytest.mark.parametrize("phase", ["plugin", "at_runtime"])
def test_its_creator_makes_plugins_with_all_capabilities(library: Path, phase: str) -> None:
    found, _ = ask_registry(library)
    assert found[phase] == {
        "kind": "PLUGIN",
        "capabilities": ["PLUGIN_V3ONE_CORE", "PLUGIN_V3ONE_BUILD", "PLUGIN_V3ONE_RUNTIME"],
        "names": ["EnergyMerge", "2", "pitome"],
        "num_outputs": 3,
        "format_combination_limit": 100,
        "timing_cache_id": IDENTITY,
        "metadata": IDENTITY,
    }


@by_library
def test_a_plugin_of_the_registry_can_be_cloned(library: Path) -> None:
    found, _ = ask_registry(library)
    assert found["clone"] == {
        "same_entry": True,
        "another_object": True,
        "same_class": True,
        "own_core": True,
    }


@by_library
def test_wrong_fields_give_none_and_a_message_on_stderr(library: Path) -> None:
    found, lines = ask_registry(library)
    assert found["refused"] == [True] * 4
    ours = [line for line in lines if "pitome" in line]
    place = "pitome::EnergyMerge, createPlugin of layer 'layer': "
    assert [place in line for line in ours] == [True] * 4
    assert "num_candidates=176 with num_merged=89" in ours[0]
    assert "field order as text, 'energy' or 'position': it says 'size'" in ours[1]
    assert "split_step=1 with split 'alternate' of 176 candidates: the two say different" in ours[2]
    assert f"fields {', '.join(NAMES)}: there is no field num_merged" in ours[3]
