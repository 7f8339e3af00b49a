"""What `pitome.load` refuses before anything is opened, each with its own words; what it takes instead."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pitome
from pitome.bundle import read_manifest, verification, write_manifest
from pitome.bundle.record import FileRecord
from pitome.errors import BackendError, BundleError, InputError, SignatureError
from pitome.runtime import onnxruntime as sessions
from pitome.runtime import opening, private_files
from pitome.runtime.plans import Gpu, Machine
from tests.pitome.bundle.keys import make_keys
from tests.pitome.runtime.bundles import bundle_of, copy_of, rewrite, with_native, with_plan

pytestmark = pytest.mark.slow
PIXELS = np.zeros((2, 3, 32, 32), np.float32)


@pytest.fixture
def bundle(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of(bundle_of(tmp_path_factory, "clip"), tmp_path)


@pytest.fixture
def never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that is opened, or a tokenizer, is a failure of the test."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was opened")

    monkeypatch.setattr(opening, "OnnxRuntime", refuse)
    monkeypatch.setattr(opening, "open_plan", refuse)
    monkeypatch.setattr("pitome.runtime.loading.open_assets", refuse)


def write(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def link_out(path: Path) -> None:
    outside = path.parent.parent / "outside"
    path.rename(outside)
    path.symlink_to(outside)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (Path.unlink, "{} is missing"),
    "empty": (lambda path: write(path, b""), "{} is damaged: expected"),
    "other bytes": (
        lambda path: write(path, bytes(len(path.read_bytes()))),
        "{} is damaged: expected sha256",
    ),
    "leads out": (link_out, "{} is a link that leads out of the bundle"),
    "a pipe": (pipe, "{} is not a regular file"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["model.onnx", "model.fp16.onnx", "model.fp16.0.plan", "config.json"])
@pytest.mark.usefixtures("never_opened")
def test_every_damage_is_said_before_anything_is_opened(bundle: Path, file: str, damage: str) -> None:
    """Of a plan, and of the precision that is not taken, too: on a machine without a GPU."""
    with_plan(bundle)
    change, told = DAMAGES[damage]
    change(bundle / file)
    with pytest.raises(BundleError) as error:
        pitome.load(bundle)
    assert told.format(file) in str(error.value)


@pytest.mark.usefixtures("never_opened")
def test_the_manifest_comes_first(bundle: Path, tmp_path: Path) -> None:
    (bundle / "manifest.json").write_bytes((bundle / "manifest.json").read_bytes() + b" ")
    with pytest.raises(BundleError, match=r"manifest\.json or manifest\.json\.sha256 is damaged"):
        pitome.load(bundle)
    with pytest.raises(BundleError, match="there is no such folder"):
        pitome.load(tmp_path / "nothing")
    with pytest.raises(BundleError, match="it is not a bundle"):
        pitome.load(tmp_path)


@pytest.mark.usefixtures("never_opened")
def test_random_weights_are_for_those_who_ask(bundle: Path) -> None:
    def randomise(document: Any) -> None:
        document["model"]["weights"] |= {"random": True, "seed": 0, "source": "random", "revision": None}
        document["build"]["model"]["seed"] = 0

    rewrite(bundle, randomise)
    with pytest.raises(BundleError, match="its weights are random: what it computes means nothing") as error:
        pitome.load(bundle)
    assert "allow_random=True" in error.value.remedy
    with pytest.raises(AssertionError, match="something was opened"):
        pitome.load(bundle, allow_random=True)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"device": "gpu"}, "device=gpu: there is no such device. Choose auto, cpu, cuda or tensorrt"),
        ({"backend": "torch"}, "backend=torch: there is no such backend. Choose auto, onnxruntime, tensorrt"),
        ({"precision": "int8"}, "precision=int8: there is no such precision. Choose fp32, fp16 or bf16"),
        ({"device": None}, "device=None: there is no such device"),
        ({"backend": ["onnxruntime"]}, "there is no such backend"),
        ({"native": "yes"}, "native='yes': it is no choice"),
        ({"require_signature": 3}, "the public key 3: it is no path"),
        ({"threads": 0}, "threads=0: it is no number from 1 up"),
        ({"threads": True}, "threads=True: it is no number from 1 up"),
        ({"precision": "bf16"}, "has model.onnx, model.fp16.onnx, and nothing that fits"),
        ({"backend": "tensorrt"}, "has model.onnx, model.fp16.onnx, and nothing that fits"),
        ({"native": True}, "has model.onnx, model.fp16.onnx, and nothing that fits"),
        ({"device": "cuda"}, "and not CUDAExecutionProvider"),
        ({"device": "tensorrt"}, "and not TensorrtExecutionProvider"),
    ],
)
@pytest.mark.usefixtures("never_opened")
def test_wishes_that_can_not_be_met(bundle: Path, wish: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        pitome.load(bundle, **wish)
    assert told in str(error.value)


# --- plans, on a machine without a GPU or with a made-up one ----------------------------------------------


def test_without_a_gpu_the_graph_runs_and_says_why(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    with_plan(bundle)
    with caplog.at_level(logging.INFO, "pitome.runtime"), pitome.load(bundle, threads=1) as loaded:
        chosen = loaded.chosen
        assert (chosen.backend, chosen.provider, chosen.file) == (
            "onnxruntime",
            "CPUExecutionProvider",
            "model.onnx",
        )
        assert chosen.reasons[0].startswith("model.fp16.0.plan by TensorRT-RTX: ")
        assert loaded.run({"pixel_values": PIXELS})["image_embeds"].shape == (2, 16)
    (loud,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "and not by model.fp16.0.plan by TensorRT-RTX" in loud.getMessage()
    verified = [record.getMessage() for record in caplog.records if "verified" in record.getMessage()]
    assert verified == [f"verified the bundle {bundle}: {loaded.verification}"]
    assert loaded.verification.files == len(list(read_manifest(bundle).files()))


@pytest.mark.parametrize(
    ("changes", "gpu", "versions", "told"),
    [
        ({}, None, {"tensorrt_rtx": "1.7.1.116"}, "no GPU answers here"),
        ({}, "sm89", {}, "TensorRT-RTX is not installed"),
        ({}, "sm89", {"tensorrt_rtx": "1.6.0.1"}, "it was built by TensorRT-RTX 1.7.1.116, and 1.6.0.1 is"),
        ({}, "sm90", {"tensorrt_rtx": "1.7.1.116"}, "it is for sm89, and this GPU (a GPU) is sm90"),
        (
            {"backend": "tensorrt", "backend_version": "11.4.0.106"},
            "sm89",
            {"tensorrt_rtx": "1.7.1.116"},
            "TensorRT is not installed",
        ),
    ],
)
@pytest.mark.usefixtures("never_opened")
def test_each_mismatch_of_a_plan_has_its_own_words(
    bundle: Path,
    changes: dict[str, Any],
    gpu: str | None,
    versions: dict[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = with_plan(bundle, **changes)
    machine = Machine(None if gpu is None else Gpu("a GPU", gpu), "no GPU answers here", "", versions)
    monkeypatch.setattr("pitome.runtime.loading.this_machine", lambda: machine)
    with pytest.raises((BackendError, BundleError)) as error:
        pitome.load(bundle, backend=plan.backend)
    assert told in str(error.value)
    assert plan.file in error.value.asked


def test_what_does_not_open_is_fallen_back_from_loudly(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """From a plan with the plugin to one without, and to the graph; the plans here are none."""
    with_plan(bundle)
    manifest = read_manifest(bundle)
    machine = Machine(Gpu("a GPU", "sm89"), "", "", {"tensorrt_rtx": "1.7.1.116"})
    monkeypatch.setattr("pitome.runtime.loading.this_machine", lambda: machine)
    with pitome.load(bundle, threads=1) as loaded:
        assert loaded.chosen.file == "model.onnx"
        assert loaded.chosen.reasons[0] == (
            "model.fp16.0.plan by TensorRT-RTX: the file is not a TensorRT plan"
        )
    assert "the file is not a TensorRT plan" in caplog.text
    with pytest.raises(BackendError, match="the file is not a TensorRT plan"):
        pitome.load(bundle, backend="tensorrt_rtx")
    assert manifest.plans[0].file in str(loaded.chosen)


# --- the operator library ---------------------------------------------------------------------------------


def test_merges_are_native_where_the_library_runs(bundle: Path) -> None:
    with pitome.load(bundle, threads=1) as loaded:
        wanted = loaded.run({"pixel_values": PIXELS})["image_embeds"]
    record = with_native(bundle)
    with pitome.load(bundle, threads=1) as first, pitome.load(bundle, threads=1, native=True) as second:
        assert first.chosen.graphs[0].native
        assert "merges by the own operator" in str(first.chosen)
        np.testing.assert_allclose(first.run({"pixel_values": PIXELS})["image_embeds"], wanted, atol=1e-5)
        np.testing.assert_array_equal(
            *(each.run({"pixel_values": PIXELS})["image_embeds"] for each in (first, second))
        )
    with pitome.load(bundle, threads=1, native=False) as loaded:
        assert not loaded.chosen.graphs[0].native
    (bundle / record.file).write_bytes(b"\x7fELF")
    with pytest.raises(BundleError, match=r"libpitome_onnxruntime\.so is damaged"):
        pitome.load(bundle, native=False)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"arch": "sparc"}, f"it is for sparc, this machine is {platform.machine()}"),
        ({"glibc": "9.99"}, "it needs glibc 9.99, this machine has glibc"),
        ({"onnxruntime_api": 999}, "it needs onnxruntime 1.999 or newer"),
    ],
)
def test_a_library_for_another_machine(
    bundle: Path, changes: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with_native(bundle, **changes)
    with pytest.raises(BackendError) as error:
        pitome.load(bundle, native=True, device="cpu")
    assert told in str(error.value)
    with pitome.load(bundle, threads=1) as loaded:
        assert not loaded.chosen.graphs[0].native
        assert any(told in reason for reason in loaded.chosen.reasons)
    assert told in caplog.text


# --- the bytes that are hashed are those that are loaded --------------------------------------------------


def test_what_changes_after_its_digest_was_taken_is_not_loaded(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is spoilt, in place and by name, right after it was checked."""
    with pitome.load(bundle, threads=1) as loaded:
        wanted = loaded.run({"pixel_values": PIXELS})["image_embeds"]
    real, checked = verification.check_file, []

    def check_and_spoil(folder: Path, record: FileRecord, write: Any = None) -> None:
        real(folder, record, write)
        checked.append(record.file)
        with (folder / record.file).open("r+b") as file:
            file.write(b"spoilt" * 100)

    monkeypatch.setattr(private_files, "check_file", check_and_spoil)
    with pitome.load(bundle, threads=1) as loaded:
        np.testing.assert_array_equal(loaded.run({"pixel_values": PIXELS})["image_embeds"], wanted)
    assert {"model.onnx", "config.json"} <= set(checked)


def test_external_data_is_copied_beside_its_graph(bundle: Path) -> None:
    import onnx

    with pitome.load(bundle, threads=1) as loaded:
        wanted = loaded.run({"pixel_values": PIXELS})["image_embeds"]
    model = onnx.load(bundle / "model.onnx")
    onnx.save(model, bundle / "model.onnx", save_as_external_data=True, location="model.onnx.data")
    manifest = read_manifest(bundle)
    (graph,) = manifest.graphs

    def sized(name: str) -> dict[str, Any]:
        path = bundle / name
        return {"sha256": verification.file_sha256(path), "bytes": path.stat().st_size}

    first = graph.onnx[0].model_dump() | sized("model.onnx")
    first["external_data"] = [{"file": "model.onnx.data", **sized("model.onnx.data")}]
    changed = type(graph.onnx[0]).model_validate(first)
    new = graph.model_copy(update={"onnx": (changed, *graph.onnx[1:])})
    write_manifest(bundle, manifest.model_copy(update={"graphs": (new,)}))
    with pitome.load(bundle, threads=1) as loaded:
        np.testing.assert_array_equal(loaded.run({"pixel_values": PIXELS})["image_embeds"], wanted)
    (bundle / "model.onnx.data").write_bytes(bytes((bundle / "model.onnx.data").stat().st_size))
    with pytest.raises(BundleError, match=r"model\.onnx\.data is damaged"):
        pitome.load(bundle)


def test_nothing_is_left_open(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Descriptors and temporary folders of a load are gone when it returns, and when it fails."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    pitome.load(bundle, threads=1).close()
    monkeypatch.setattr(sessions, "open_session", _fail)
    with pytest.raises(BackendError):
        pitome.load(bundle)
    assert len(os.listdir("/proc/self/fd")) == before
    assert list((tmp_path / "temporary").iterdir()) == []


def _fail(*_: object, **__: object) -> None:
    raise BackendError("opening", "it fails", "Try again")


# --- signatures -------------------------------------------------------------------------------------------


def test_a_signature_is_of_the_manifest_that_is_read(bundle: Path, tmp_path: Path) -> None:
    from pitome.bundle.signing import sign_bundle

    private, public = make_keys(tmp_path, "key")
    with pytest.raises(SignatureError, match="signature"):
        pitome.load(bundle, require_signature=public)
    sign_bundle(bundle, private)
    pitome.load(bundle, require_signature=public, threads=1).close()
    with pytest.raises(BundleError, match=r"manifest\.json is not the signed one"):
        read_manifest(bundle, "0" * 64)
