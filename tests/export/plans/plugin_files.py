"""Small shared libraries that look like the plugin's, or almost."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.checkout import ROOT

BUILT_PLUGIN = ROOT / "build" / "plugin" / "libpitome_plugin.so"
BUILT_HOST_PLUGIN = BUILT_PLUGIN.with_name("libpitome_plugin_host.so")
CANARY = "PITOME_TEST_CANARY"

NO_CREATORS = """
static void* creators[1];
void* getCreators(int* count) { *count = 0; return creators; }
void setLoggerFinder(void* finder) {}
const char* pitome_merge_version(void) { return "9.8.7"; }
"""
WITH_CANARY = (
    NO_CREATORS
    + f"""
#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void sing(void) {{
  FILE* file = fopen(getenv("{CANARY}"), "w");
  if (file) fclose(file);
}}
"""
)
"""Leaves the file that the variable names wherever it is loaded."""


def with_creators_of(library: Path) -> str:
    """A library that has the plugin of another one: the build for the CPU, which the checks refuse.

    Builders run no kernels, so that plans are made with it as with the library for GPUs, which needs nvcc.
    """
    return f"""
#include <dlfcn.h>
typedef void** (*GetCreators)(int*);
void** getCreators(int* count) {{
  return ((GetCreators)dlsym(dlopen("{library}", RTLD_NOW | RTLD_LOCAL), "getCreators"))(count);
}}
void setLoggerFinder(void* finder) {{}}
const char* pitome_merge_version(void) {{ return "9.8.7"; }}
"""


def compile_library(folder: Path, source: str, name: str = "library") -> Path:
    """A shared library from C."""
    (folder / f"{name}.c").write_text(source)
    path = folder / f"{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, folder / f"{name}.c"], check=True)
    return path


def built(path: Path) -> Path:
    """A library of `make plugin`."""
    assert path.is_file(), f"{path} is missing: run `make plugin` first"
    return path
