"""`pitome.engine` is used without the command line, and without the packages that it is made with."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from pitome.bundle import verify_bundle
from tests.checkout import ROOT

BUILD = """
import json, sys
from pathlib import Path

sys.modules.update(dict.fromkeys(("typer", "rich", "click", "pitome.cli")))  # None: can't be imported
from pitome import engine
from pitome.engine.options import CheckOptions, ModelOptions, PlaceOptions, PlanOptions

options = engine.EngineOptions(
    ModelOptions(sys.argv[1]),
    plan=PlanOptions("fp32", targets=("sm80",)),
    check=CheckOptions(parity_images=4, batches=(1,), latency_seconds=0.2),
    place=PlaceOptions(Path(sys.argv[2])),
)
built = engine.build(options)
print(json.dumps({"folder": str(built.folder), "reused": built.reused}))
"""


def test_a_build_needs_no_command_line(clip_folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, clip_folder, tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"folder": str(tmp_path / "clip-tiny"), "reused": []}
    assert "Load" not in done.stderr, "nobody is told of the progress"
    manifest = verify_bundle(tmp_path / "clip-tiny")
    assert manifest.parity is not None
    assert manifest.parity.verdict == "pass"
    assert manifest.build.command.startswith("pitome engine ./clip-tiny --precision fp32 --targets sm80")


def test_the_engine_imports_nothing_of_the_command_line() -> None:
    found, foreign = [], ("pitome.cli", "typer", "rich", "click")
    for path in sorted((ROOT / "engine").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [f"{path.name}: {name}" for name in names if name.startswith(foreign)]
    assert found == []


def test_importing_the_engine_imports_no_torch() -> None:
    code = "import sys, pitome.engine, pitome.engine.options; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
