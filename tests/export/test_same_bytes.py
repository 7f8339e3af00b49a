"""Two processes, two folders, two copies of the code: one and the same ONNX file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.export.conftest import Export

ROOT = Path(__file__).parents[2]
TRACE = """
    import sys
    from pathlib import Path

    import export
    import pitome
    from export.onnx import export_onnx
    from pitome.compress import compress
    from tiny_models import OUTPUTS, make_model

    copy = Path(sys.argv[1])
    assert all(Path(module.__file__).is_relative_to(copy) for module in (pitome, export))
    export_onnx(compress(make_model("clip"), ratio=0.8), Path("model.onnx"), outputs=OUTPUTS["clip"])
"""


def start_trace(folder: Path, hash_seed: str) -> subprocess.Popen[str]:
    """Trace in ``folder/work`` with the copy of the code in ``folder/code``."""
    code, work = folder / "code", folder / "work"
    work.mkdir(parents=True)
    without_caches = shutil.ignore_patterns("__pycache__")
    for package in ("pitome", "export"):
        shutil.copytree(ROOT / package, code / package, ignore=without_caches)
    shutil.copy(ROOT / "tests" / "export" / "tiny_models.py", code)
    return subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-c", textwrap.dedent(TRACE), str(code)],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(code), "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_folders_and_two_processes_give_the_same_bytes(tmp_path: Path, exported: Export) -> None:
    folders = [tmp_path / "first", tmp_path / "second-with-a-longer-name"]
    traces = [start_trace(folder, seed) for folder, seed in zip(folders, ("1", "2"), strict=True)]
    for trace in traces:
        log, _ = trace.communicate(timeout=300)
        assert trace.returncode == 0, log
    first, second = [(folder / "work" / "model.onnx").read_bytes() for folder in folders]
    assert first == second
    for word in ("first/", "second-with", "site-packages", str(tmp_path), "tiny_models", str(ROOT)):
        assert word.encode() not in first

    # This process has traced other models before and gave the metadata, which the others did not.
    import onnx

    here, there = exported("clip").graph, onnx.load_from_string(first)
    del here.metadata_props[:]
    assert here.SerializeToString(deterministic=True) == there.SerializeToString(deterministic=True)
