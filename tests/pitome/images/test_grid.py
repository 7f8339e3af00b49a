"""Our preprocessing equals that of the classes in transformers, to 1e-6: some of the grid, and all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pitome.models.image_processor import CLASSES
from tests.pitome.images import grid
from tests.pitome.images.grid import TOLERANCE, Case, Found, compare, pictures, random_cases, single_cases

COLOURS = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.9, 0.2, 0.3]}
FEW = (
    Case("CLIPImageProcessor", {"use_square_size": True, "crop_size": 61}),
    Case("CLIPImageProcessor", {"size": {"shortest_edge": 30, "longest_edge": 33}, "crop_size": [17, 25]}),
    Case("DeiTImageProcessor", {"resample": 1, "do_rescale": False, **COLOURS}),
    Case("ConvNextImageProcessor", {"size": {"shortest_edge": 32}, "crop_pct": 0.7, "resample": 5}),
    Case(
        "LevitImageProcessor", {"size": {"shortest_edge": 29}, "crop_size": 24, "rescale_factor": 1 / 127.5}
    ),
    Case("ViTImageProcessor", {"size": [20, 28], "resample": 0, "image_mean": 0.4, "image_std": 2}, 4),
    Case("BeitImageProcessor", {"size": 24, "do_normalize": False}, 1),
)
WITHOUT_LIBRARIES = """
import json, sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "torchvision", "onnxruntime", "tokenizers"):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
from pathlib import Path
import numpy as np
from pitome.bundle import ImagePreprocess
from pitome.images.transform import image_tensor

found = []
for folder in sorted(Path(sys.argv[1]).iterdir()):
    record = ImagePreprocess.model_validate_json((folder / "record.json").read_bytes(), strict=True)
    wanted = np.load(folder / "wanted.npy")
    found.append(float(np.abs(image_tensor(folder / "image.png", record) - wanted).max()))
assert not {"torch", "transformers"} & set(sys.modules)
print(json.dumps(found))
"""


@pytest.mark.parametrize("name", CLASSES)
def test_the_defaults_of_a_class(name: str, tmp_path: Path) -> None:
    found = Found()
    compare(Case(name, {}), pictures()[::3], tmp_path, found)
    compare(Case(name, {"size": {"shortest_edge": 32}, **COLOURS}), pictures(), tmp_path, found)
    assert (found.cases, found.refused) == (2, 0)
    assert found.compared >= 6


@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_some_fields(case: Case, tmp_path: Path) -> None:
    found = Found()
    compare(case, pictures(), tmp_path, found)
    assert (found.compared, found.refused) == (len(pictures()), 0)


@pytest.mark.slow
def test_combinations_of_fields(tmp_path: Path) -> None:
    found = Found()
    for case in random_cases(3, seed=1):
        compare(case, pictures(), tmp_path, found)
    assert found.compared > 100
    assert found.largest <= TOLERANCE


@pytest.mark.full
def test_the_whole_grid(tmp_path: Path) -> None:
    found = Found()
    for case in (*single_cases(), *random_cases(100)):
        compare(case, pictures(), tmp_path, found)
    assert found.cases > 2000
    assert found.compared > 10_000
    assert found.largest <= TOLERANCE


def test_a_difference_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is asked with a plain mistake: another filter."""
    monkeypatch.setattr(grid, "transform", lambda image, record: np.zeros((3, 32, 32), np.float32))
    with pytest.raises(AssertionError, match=r"ViTImageProcessor.*'size': 32"):
        compare(Case("ViTImageProcessor", {"size": 32}), pictures(), tmp_path, Found())


@pytest.mark.slow
def test_a_bundles_record_needs_neither_torch_nor_transformers(tmp_path: Path) -> None:
    """In a process that can't import them, from the record's JSON and a file of the image."""
    for number, case in enumerate(case for case in FEW if case.channels == 3):
        folder = tmp_path / "cases" / str(number)
        folder.mkdir(parents=True)
        image = pictures()[7]
        image.save(folder / "image.png")
        record = grid.record_in_a_bundle(case, folder)
        (folder / "record.json").write_text(record.model_dump_json())
        np.save(folder / "wanted.npy", grid.reference(case, Image.open(folder / "image.png")))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARIES, str(tmp_path / "cases")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0.0] * 5
