"""The plugin in the genuine registry of TensorRT 11.4's lean runtime, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pitome.errors import BackendError
from pitome.runtime.tensorrt_plugin import check_plugin_support
from tests.export.plans.plugin_files import BUILT_PLUGIN, NO_CREATORS, ROOT, built, compile_library

SCRIPT = """
import sys
from pathlib import Path
import tensorrt_lean
from pitome.runtime.tensorrt_plugin import load_plugin
from pitome.errors import BackendError
try:
    load_plugin(tensorrt_lean, "a plan", Path(sys.argv[1]), [])
except BackendError as error:
    sys.exit(str(error))
print(tensorrt_lean.get_plugin_registry().get_creator("EnergyMerge", "1", "pitome").name)
"""


def load(library: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("tensorrt_lean")
    command = [sys.executable, "-c", SCRIPT, str(library)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.full
def test_the_registry_has_the_creator_afterwards() -> None:
    done = load(built(BUILT_PLUGIN))
    assert (done.returncode, done.stdout) == (0, "EnergyMerge\n"), done.stderr


def test_a_library_that_the_registry_does_not_take(tmp_path: Path) -> None:
    done = load(library := compile_library(tmp_path, NO_CREATORS))
    assert done.returncode == 1
    assert f"a plan: TensorRT did not load the plugin library {library}. Run `make plugin` or" in done.stderr


@pytest.mark.full
def test_a_library_without_the_merge(tmp_path: Path) -> None:
    library = tmp_path / "renamed.so"
    library.write_bytes(built(BUILT_PLUGIN).read_bytes().replace(b"\0EnergyMerge\0", b"\0EnergySplit\0"))
    done = load(library)
    assert done.returncode == 1
    assert f"{library} has no creator of pitome::EnergyMerge version 1. Run `make plugin`" in done.stderr


@pytest.mark.parametrize("version", ["10.7.0", "10.14.1.48", "10.16.0.post1", "11.4.0.106"])
def test_versions_that_prefer_the_plugin(version: str) -> None:
    check_plugin_support(version)


@pytest.mark.parametrize("version", ["8.6.1", "9.3.0", "10.6.0.post1"])
def test_versions_that_prefer_the_function(version: str) -> None:
    with pytest.raises(BackendError, match=f"TensorRT {version} prefers the function's body to the plugin"):
        check_plugin_support(version)
