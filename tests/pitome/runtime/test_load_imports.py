"""Running a bundle imports neither torch nor transformers, although both are installed here."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.pitome.runtime.bundles import bundle_of

PROGRAM = """
import sys
import pitome
load = pitome.load
early = {"torch", "transformers", "onnx", "onnxruntime", "tokenizers", "huggingface_hub"} & sys.modules.keys()
assert not early, early
with pitome.load(sys.argv[1], threads=1) as bundle:
    bundle.warm_up()
    bundle.texts(["is it"], prompt="query", truncate=True)
    bundle.similarity(texts=["is", "it"])
    bundle.asynchronous
assert not {"torch", "transformers", "onnx", "scipy", "pandas"} & sys.modules.keys()
"""


@pytest.mark.slow
def test_neither_torch_nor_transformers_is_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle = bundle_of(tmp_path_factory, "sentence")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, bundle], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
