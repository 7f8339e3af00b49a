"""Real models, and a whole CLIP of random weights: C++ gives the bits of ``pitome.load``, by both merges."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import pitome
from pitome.runtime.bundle import Bundle
from tests.examples.cpp_program import run_bundle, run_program
from tests.examples.ppm import noise, write_ppm
from tests.examples.test_cpp_bundle import check_bits, with_library
from tests.plugins.onnxruntime.one_merge import LIBRARY

__all__ = ["run_bundle"]

pytestmark = pytest.mark.full

MODELS = ("clip-b16", "vit-s14-focus", "minilm-l6", "fashion-vit")
TEXTS = ["a cat on a mat", "grain exports rose sharply in the first quarter of the year", "no"]


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported bundle with the operator library."""
    assert LIBRARY.is_file(), f"{LIBRARY} is missing: run `make native` first"
    out = tmp_path_factory.mktemp("models")
    words = ["-m", "pitome", "export", request.param, "--precision", "fp32", "--out", out]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (bundle,) = (each for each in out.iterdir() if (each / "manifest.json").is_file())
    with_library(bundle)
    return bundle


def arrays_of(bundle: Bundle, pictures: list[Path]) -> dict[str, dict[str, NDArray[np.float32 | np.int64]]]:
    """Graph -> what it takes, of every graph of the bundle."""
    found = {}
    for graph in bundle.manifest.graphs:
        if graph.inputs[0].name == "pixel_values":
            found[graph.name] = {"pixel_values": bundle.prepare_images(pictures)}
        else:
            has_tokenizer = not bundle.manifest.model.weights.random
            found[graph.name] = dict(bundle.prepare_texts(TEXTS).arrays) if has_tokenizer else clip_texts()
    return found


def clip_texts() -> dict[str, NDArray[np.int64]]:
    """As CLIP's tokenizer ends and pads texts; random weights come without one."""
    ids = np.random.default_rng(0).integers(1000, 40000, (3, 77))
    mask = np.zeros((3, 77), np.int64)
    for row, length in enumerate((5, 30, 77)):
        ids[row, 0], ids[row, length - 1 :] = 49406, 49407
        mask[row, :length] = 1
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("native", [True, False], ids=["native", "function"])
def test_every_graph_and_output(run_bundle: Path, folder: Path, tmp_path: Path, native: bool) -> None:
    sizes = ((480, 640), (300, 200), (28, 28))
    pictures = [
        write_ppm(tmp_path / f"{number}.ppm", noise(*size, seed=number)) for number, size in enumerate(sizes)
    ]
    options = (
        "--allow-random",
        "--threads",
        "2",
        "--native",
        str(int(native)),
        "--save",
        tmp_path / "numbers",
    )
    with pitome.load(folder, allow_random=True, threads=2, native=native, backend="onnxruntime") as bundle:
        for name, arrays in arrays_of(bundle, pictures).items():
            words: list[str | Path] = []
            for key, values in arrays.items():
                values.tofile(tmp_path / key)
                words += ["--tensor", f"{key}={tmp_path / key}"]
            for output, wanted in bundle.run(arrays, graph=name).items():
                ran = run_program(run_bundle, folder, *words, "--output", output, *options)
                assert ran.code == 0, ran.err
                check_bits(tmp_path / "numbers", wanted)
                if "pixel_values" in arrays:
                    ran = run_program(run_bundle, folder, *pictures, "--output", output, *options)
                    assert ran.code == 0, ran.err
                    check_bits(tmp_path / "numbers", wanted)
