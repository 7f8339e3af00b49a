"""Two processes, two working folders, two copies of the code: one and the same ONNX file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.export.conftest import METADATA, Export

TRACE = """
    import json
    import sys
    from pathlib import Path

    import pitome
    import pitome.export
    from pitome.export.onnx import export_onnx
    from pitome.compression import compress
    from tiny_models import OUTPUTS, make_model

    copy = Path(sys.argv[1])
    assert all(Path(module.__file__).is_relative_to(copy) for module in (pitome, pitome.export))
    model, metadata = compress(make_model("clip"), ratio=0.8), json.loads(sys.argv[2])
    export_onnx(model, Path("model.onnx"), outputs=OUTPUTS["clip"], metadata=metadata)
"""


@pytest.mark.full
def test_another_process_folder_and_copy_of_the_code_give_the_same_bytes(
    tmp_path: Path, exported: Export
) -> None:
    """This process has traced other models before, from another working folder."""
    code, work = tmp_path / "copied-code", tmp_path / "working-folder"
    work.mkdir()
    for package in ("pitome", "export"):
        shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tests" / "export" / "tiny_models.py", code)
    trace = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", textwrap.dedent(TRACE), str(code), json.dumps(METADATA)],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(code), "PYTHONHASHSEED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert trace.returncode == 0, trace.stdout
    content = (work / "model.onnx").read_bytes()
    assert content == exported("clip").file.path.read_bytes()
    for word in (code.name, work.name, str(tmp_path), str(ROOT), "site-packages", "tiny_models"):
        assert word.encode() not in content
