"""The C++ examples prepare pictures as ``pitome.preprocess`` does: the same bits, whatever the steps."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

from pitome.bundle.preprocess_record import ImagePreprocess
from pitome.errors import ImageError
from pitome.images.decoding import decode_image
from pitome.images.transform import transform
from tests.examples.cpp_program import Ran, run_bundle, run_program
from tests.examples.ppm import noise, write_ppm
from tests.pitome.bundle.bundle_cases import document

__all__ = ["run_bundle"]

pytestmark = pytest.mark.slow

FILTERS = {0: "nearest", 1: "Lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "Hamming"}
USUAL: dict[str, Any] = {
    "kind": "image",
    "processor": None,
    "height": 32,
    "width": 32,
    "channels": 3,
    "crops": [],
    "rescale_factor": 1 / 255,
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
}


def squashed(resample: int, size: int = 32) -> dict[str, Any]:
    return {"height": size, "width": size, "shortest_edge": None, "longest_edge": None, "resample": resample}


def shorter(edge: int, longest: int | None = None, resample: int = 3) -> dict[str, Any]:
    return {
        "height": None,
        "width": None,
        "shortest_edge": edge,
        "longest_edge": longest,
        "resample": resample,
    }


def write_manifest_file(bundle: Path, manifest: dict[str, Any]) -> None:
    data = json.dumps(manifest).encode()
    (bundle / "manifest.json").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    (bundle / "manifest.json.sha256").write_text(f"{digest}  manifest.json\n", encoding="utf-8")


def identity_bundle(bundle: Path, steps: dict[str, Any]) -> None:
    """A bundle whose graph hands its input on, as one vector for each picture."""
    size = steps["channels"] * steps["height"] * steps["width"]
    shape = ["batch", steps["channels"], steps["height"], steps["width"]]
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["pixel_values"], ["numbers"])],
        "identity",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["batch", size])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    data = model.SerializeToString()
    onnx.checker.check_model(model)
    (bundle / "model.onnx").write_bytes(data)
    manifest = document()
    manifest["model"]["preprocess"] = steps
    (record,) = manifest["graphs"]
    record["inputs"][0] |= {"name": "pixel_values", "shape": shape}
    record["outputs"][0] |= {"name": "numbers", "shape": ["batch", size]}
    record["onnx"] = [record["onnx"][0] | {"sha256": hashlib.sha256(data).hexdigest(), "external_data": []}]
    write_manifest_file(bundle, manifest)


def prepared_in_cpp(program: Path, folder: Path, steps: dict[str, Any], *pixels: NDArray[np.uint8]) -> Ran:
    identity_bundle(folder, steps)
    pictures = [
        write_ppm(folder / f"{number}.ppm", each, "# a comment\n") for number, each in enumerate(pixels)
    ]
    return run_program(program, folder, *pictures, "--save", folder / "numbers")


def check_same(program: Path, folder: Path, steps: dict[str, Any], *pixels: NDArray[np.uint8]) -> None:
    ran = prepared_in_cpp(program, folder, steps, *pixels)
    assert ran.code == 0, ran.err
    record = ImagePreprocess.model_validate(steps)
    images = [Image.fromarray(each[:, :, 0] if each.shape[2] == 1 else each) for each in pixels]
    wanted = [transform(decode_image(image, record.channels), record) for image in images]
    found = np.fromfile(folder / "numbers", np.float32).reshape(len(wanted), *wanted[0].shape)
    for mine, others in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(mine.view(np.uint32), others.view(np.uint32))


# Height and width; of the tall ones Pillow 13 makes the height smaller first.
SIZES = ((32, 32), (300, 200), (90, 45), (96, 64), (97, 64), (7, 5), (900, 3), (33, 640), (1, 1), (32, 90))


@pytest.mark.parametrize("resample", FILTERS, ids=FILTERS.get)
def test_every_filter(run_bundle: Path, tmp_path: Path, resample: int) -> None:
    pixels = [noise(*size, seed=number) for number, size in enumerate(SIZES)]
    check_same(run_bundle, tmp_path, USUAL | {"resize": squashed(resample)}, *pixels)


@pytest.mark.parametrize(
    "changes",
    [
        {"resize": shorter(36), "crops": [[32, 32]]},
        {"resize": shorter(32), "crops": [[32, 32]]},
        {"resize": shorter(36, 50), "crops": [[32, 32]]},
        {"resize": shorter(36, 80), "crops": [[40, 37], [32, 32]]},
        {"resize": shorter(20), "crops": [[32, 32]]},
        {"resize": shorter(21), "crops": [[32, 32]]},
        {"resize": None, "crops": [[32, 32]]},
        {"resize": squashed(3), "rescale_factor": None},
        {"resize": squashed(3), "rescale_factor": 1 / 127.5},
        {"resize": squashed(3), "mean": None, "std": None},
        {"resize": squashed(3, 33), "height": 33, "width": 33},
        {"resize": squashed(2), "channels": 1, "mean": [0.5], "std": [0.3]},
        {"resize": squashed(1), "channels": 4, "mean": [0.5] * 4, "std": [0.3] * 4},
    ],
    ids=str,
)
def test_every_step(run_bundle: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    """Of pictures in colours and in grey."""
    sizes = ((60, 41, 3), (45, 90, 3), (60, 41, 1), (45, 90, 1))
    pixels = [noise(*size, seed=number) for number, size in enumerate(sizes)]
    check_same(run_bundle, tmp_path, USUAL | changes, *pixels)


@pytest.mark.parametrize(
    ("steps", "size", "reason"),
    [
        ({"resize": None}, (40, 30), "it is 30 x 40 and comes to 30 x 40, the model takes 32 x 32"),
        ({"resize": shorter(32)}, (64, 32), "it is 32 x 64 and comes to 32 x 64, the model takes 32 x 32"),
        ({"resize": shorter(30000), "crops": [[32, 32]]}, (9, 900), "and would be 3000000 x 30000 resized"),
        ({"resize": shorter(32, 40), "crops": [[32, 32]]}, (1, 90), "and would be 40 x 0 resized"),
    ],
)
def test_what_python_refuses_is_refused(
    run_bundle: Path, tmp_path: Path, steps: dict[str, Any], size: tuple[int, int], reason: str
) -> None:
    pixels = noise(*size)
    ran = prepared_in_cpp(run_bundle, tmp_path, USUAL | steps, pixels)
    assert (ran.code, ran.out) == (2, "")
    assert f"{tmp_path}/0.ppm: it is " in ran.err
    assert reason in ran.err
    assert not (tmp_path / "numbers").exists()
    with pytest.raises(ImageError):
        transform(Image.fromarray(pixels), ImagePreprocess.model_validate(USUAL | steps))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is neither a binary PPM nor a PGM"),
        (b"\x89PNG\r\n", "it is neither a binary PPM nor a PGM"),
        (b"P3\n1 1\n255\n1 2 3\n", "it is neither a binary PPM nor a PGM"),
        (b"P6\n", "its header is damaged"),
        (b"P6\nx 2\n255\n", "its header is damaged"),
        (b"P6\n-1 2\n255\n", "its header is damaged"),
        (b"P6\n0 2\n255\n", "it has no pixels"),
        (b"P6\n1 1\n65535\n123456", "its white is 65535, not 255"),
        (b"P6\n99999 99999\n255\n", "it is too large"),
        (b"P6\n99999999999999999999999 1\n255\n", "it is too large"),
        (b"P6\n2 2\n255\n123", "it is cut off"),
        (b"P6\n2 2\n255", "it is cut off"),
        (b"P6\n1 1\n255\n1234", "something follows its pixels"),
    ],
)
def test_a_damaged_picture(run_bundle: Path, tmp_path: Path, content: bytes, reason: str) -> None:
    identity_bundle(tmp_path, USUAL | {"resize": squashed(3)})
    (tmp_path / "picture.ppm").write_bytes(content)
    ran = run_program(run_bundle, tmp_path, tmp_path / "picture.ppm")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"{tmp_path}/picture.ppm: {reason}")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(("kind", "reason"), [("absent", "No such file"), ("folder", "no regular file")])
def test_no_picture(run_bundle: Path, tmp_path: Path, kind: str, reason: str) -> None:
    identity_bundle(tmp_path, USUAL | {"resize": squashed(3)})
    (tmp_path / "folder").mkdir()
    ran = run_program(run_bundle, tmp_path, tmp_path / kind)
    assert ran.code == 2
    assert reason in ran.err
