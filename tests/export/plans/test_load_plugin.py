"""The plugin in the registries of TensorRT 11.4's lean runtime and of TensorRT-RTX, a process for each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pitome.errors import BackendError
from pitome.runtime.backends import TENSORRT, TENSORRT_RTX, PlanBackend
from pitome.runtime.tensorrt_plugin import CREATOR, check_plugin_support
from tests.export.plans.plugin_files import BUILT_PLUGIN, NO_CREATORS, ROOT, built, compile_library

MODULES = ("tensorrt_lean", "tensorrt_rtx")
SCRIPT = """
import sys
from pathlib import Path
import importlib
from pitome.runtime.backends import PLAN_BACKENDS
from pitome.runtime.tensorrt_plugin import CREATOR, load_plugin
from pitome.errors import BackendError
trt = importlib.import_module(sys.argv[2])
(backend,) = [each for each in PLAN_BACKENDS if each.name == sys.argv[2].replace("_lean", "")]
try:
    load_plugin(trt, backend, "a plan", Path(sys.argv[1]), [])
except BackendError as error:
    sys.exit(str(error))
print(trt.get_plugin_registry().get_creator(*CREATOR).name)
"""


def load(library: Path, module: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip(module)
    command = [sys.executable, "-c", SCRIPT, str(library), module]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.full
@pytest.mark.parametrize("module", MODULES)
def test_the_registry_has_the_creator_afterwards(module: str) -> None:
    done = load(built(BUILT_PLUGIN), module)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "EnergyMerge"), done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_a_library_that_the_registry_does_not_take(module: str, tmp_path: Path) -> None:
    done = load(library := compile_library(tmp_path, NO_CREATORS), module)
    assert done.returncode == 1
    assert f" did not load the plugin library {library}. Run `make plugin` or" in done.stderr


@pytest.mark.full
@pytest.mark.parametrize("module", MODULES)
def test_a_library_without_the_merge(module: str, tmp_path: Path) -> None:
    library = tmp_path / "renamed.so"
    library.write_bytes(built(BUILT_PLUGIN).read_bytes().replace(b"\0EnergyMerge\0", b"\0EnergySplit\0"))
    done = load(library, module)
    assert done.returncode == 1
    name, version, namespace = CREATOR
    wanted = f"{library} has no creator of {namespace}::{name} version {version}. Run `make plugin`"
    assert wanted in done.stderr


@pytest.mark.parametrize("version", ["10.7.0", "10.14.1.48", "10.16.0.post1", "11.4.0.106"])
def test_versions_that_prefer_the_plugin(version: str) -> None:
    check_plugin_support(TENSORRT, version)
    check_plugin_support(TENSORRT_RTX, version)


@pytest.mark.parametrize(
    ("backend", "version"),
    [(TENSORRT, "8.6.1"), (TENSORRT, "9.3.0"), (TENSORRT, "10.6.0.post1"), (TENSORRT_RTX, "1.6.9")],
)
def test_versions_that_prefer_the_function(backend: PlanBackend, version: str) -> None:
    refused = f"{backend.label} {version} is not known to prefer the plugin to the function's body"
    with pytest.raises(BackendError, match=refused):
        check_plugin_support(backend, version)


def test_the_version_that_was_tried() -> None:
    check_plugin_support(TENSORRT_RTX, "1.7.1.116")
