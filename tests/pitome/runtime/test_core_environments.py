"""A bundle runs where nothing but the core and onnxruntime is installed, with NumPy 1.26 and 2.x."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pitome
from tests.checkout import ROOT
from tests.environments import make_environment, requirements, with_dependencies
from tests.pitome.runtime.bundles import bundle_of

NUMPY = ("1.26.4", "2.0.2", None)
"""None: the one of this environment."""
PROGRAM = """
import importlib.util, json, sys
import numpy as np
import pitome
from PIL import Image

given = json.loads(sys.argv[1])
with pitome.load(given["whole-clip"], threads=1) as bundle:
    found = {
        "images": bundle.images([np.asarray(Image.open(given["photo"]))]),
        "by_path": bundle.images(given["photo"]),
        "texts": bundle.texts(["a ant", "bee"]),
        "similarity": bundle.similarity(given["photo"], ["a ant", "bee"]),
        "scores": np.array([each.score for each in bundle.classify(given["photo"], ["a", "b"])[0]]),
    }
with pitome.load(given["sentence"], threads=1) as bundle:
    found["sentence"] = bundle.texts(["is it", "a"], prompt="query")
    found["cut"] = bundle.texts(["is " * 99], truncate=True)
with pitome.load(given["classifier"], threads=1) as bundle:
    found["logits"] = bundle.images(given["photo"])
np.savez(given["out"], **found)
for name in ("torch", "transformers", "onnx"):
    assert name not in sys.modules, name
    assert not given["alone"] or importlib.util.find_spec(name) is None, name
print(np.__version__, sys.prefix)
"""


def given(factory: pytest.TempPathFactory, folder: Path, alone: bool) -> str:
    photo = folder / "photo.png"
    pixels = np.random.default_rng(5).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(photo)
    kinds = ("whole-clip", "sentence", "classifier")
    paths = {kind: str(bundle_of(factory, kind)) for kind in kinds}
    return json.dumps({**paths, "photo": str(photo), "out": str(folder / "found.npz"), "alone": alone})


def here(text: str) -> dict[str, np.ndarray]:
    """What this environment's bundles give."""
    places = json.loads(text)
    with pitome.load(places["whole-clip"], threads=1) as bundle:
        found = {"images": bundle.images(places["photo"]), "texts": bundle.texts(["a ant", "bee"])}
    with pitome.load(places["sentence"], threads=1) as bundle:
        found["sentence"] = bundle.texts(["is it", "a"], prompt="query")
    return found


@pytest.mark.full
@pytest.mark.parametrize("numpy", NUMPY)
def test_the_core_runs_a_bundle(
    numpy: str | None, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted = with_dependencies(requirements("cpu"))
    kept = [each for each in wanted if numpy is None or each.name != "numpy"]
    environment = make_environment(tmp_path / "environment", kept)
    if numpy is not None:
        environment.pip("install", "--no-deps", "--only-binary", ":all:", f"numpy=={numpy}")
    (environment.site_packages / "pitome").symlink_to(ROOT / "pitome")
    text = given(tmp_path_factory, tmp_path, True)
    told = environment.output(tmp_path, "python", "-c", PROGRAM, text)
    assert told.split() == [numpy or np.__version__, str(tmp_path / "environment")]
    found = dict(np.load(tmp_path / "found.npz"))
    np.testing.assert_array_equal(found["images"], found["by_path"])
    for name, values in here(text).items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-6, err_msg=name)
