"""examples/cpp/onnxruntime on the CPU: the numbers of Python, and an error for all that does not fit."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pitome
from pitome.bundle import read_manifest, write_manifest
from pitome.runtime.native import NATIVE_NAME, NativeLibrary, describe_native
from pitome.runtime.onnxruntime import OnnxRuntime
from tests.cli.command_line import pitome as command
from tests.examples.cpp_program import Ran, run_bundle, run_program
from tests.examples.ppm import noise, write_ppm
from tests.examples.test_cpp_preprocess import write_manifest_file
from tests.plugins.onnxruntime.one_merge import LIBRARY
from tests.shared import shared_folder
from tests.tiny_models import tiny_model
from tests.validate.text_checkpoint import write_text_checkpoint

__all__ = ["run_bundle"]

pytestmark = pytest.mark.slow

Change = Callable[[dict[str, Any]], object]


def with_library(bundle: Path) -> None:
    """Put the operator library into a bundle, as `make engine` does."""
    native = describe_native(LIBRARY)
    shutil.copyfile(LIBRARY, bundle / NATIVE_NAME)
    manifest = read_manifest(bundle)
    write_manifest(bundle, manifest.model_copy(update={"native": (native.record,)}))


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP tower in fp32 and fp16 and a BERT, both with the operator library."""

    def make(folder: Path) -> None:
        tiny_model("CLIPVisionModelWithProjection").save_pretrained(folder / "images")
        write_text_checkpoint(folder / "texts")
        for name, precision in (("images", "fp16"), ("texts", "fp32")):
            lengths = ("--sequence-length", "40") if name == "texts" else ()
            out = folder / "build"
            done = command("export", folder / name, "--out", out, "--precision", precision, *lengths)
            assert done.code == 0, done.err
            with_library(out / name)

    return shared_folder(tmp_path_factory, "cpp-bundles", make) / "build"


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return [write_ppm(tmp_path / f"{seed}.ppm", noise(50 + seed, 70, seed=seed)) for seed in range(3)]


def in_python(bundle: Path, file: str, native: bool, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
    (record,) = read_manifest(bundle).native
    library = NativeLibrary(bundle / record.file, record) if native else None
    return dict(OnnxRuntime(bundle / file, native=library).run(inputs).outputs)


def check_bits(found: Path, wanted: NDArray[Any]) -> None:
    numbers = np.fromfile(found, np.float32).reshape(wanted.shape)
    np.testing.assert_array_equal(numbers.view(np.uint32), wanted.view(np.uint32))


@pytest.mark.parametrize("native", ["1", "0"])
@pytest.mark.parametrize(("precision", "file"), [("fp32", "model.onnx"), ("fp16", "model.fp16.onnx")])
def test_pictures_give_the_bits_of_python(
    run_bundle: Path, bundles: Path, pictures: list[Path], native: str, precision: str, file: str
) -> None:
    bundle, saved = bundles / "images", pictures[0].with_name("numbers")
    options = ("--native", native, "--precision", precision, "--save", saved)
    ran = run_program(run_bundle, bundle, *pictures, *options)
    assert (ran.code, ran.out) == (0, ""), ran.err
    by = "the operator library" if native == "1" else "the function"
    assert f"{file} of images, onnxruntime 1.32.0, 2 threads, merges by {by}\n" == ran.err
    pixels = pitome.preprocess(bundle, pictures)
    wanted = in_python(bundle, file, native == "1", pixel_values=pixels)["image_embeds"]
    assert wanted.shape == (3, 16)
    check_bits(saved, wanted)


def test_a_raw_tensor_gives_what_its_picture_gives(
    run_bundle: Path, bundles: Path, pictures: list[Path], tmp_path: Path
) -> None:
    pitome.preprocess(bundles / "images", pictures).tofile(tmp_path / "pixels")
    by_tensor = run_program(run_bundle, bundles / "images", "--tensor", f"pixel_values={tmp_path}/pixels")
    by_picture = run_program(run_bundle, bundles / "images", *pictures)
    assert by_tensor.code == by_picture.code == 0, by_tensor.err
    assert by_tensor.out == by_picture.out
    lines = [[np.float32(word) for word in line.split(" ")] for line in by_tensor.out.splitlines()]
    run_program(run_bundle, bundles / "images", *pictures, "--save", tmp_path / "numbers")
    check_bits(tmp_path / "numbers", np.array(lines, np.float32))


def text_inputs(folder: Path) -> dict[str, NDArray[np.int64]]:
    """Two texts, one of them padded, as raw files too."""
    ids = np.random.default_rng(0).integers(4, 50, (2, 40))
    mask = np.ones((2, 40), np.int64)
    ids[1, 25:], mask[1, 25:] = 0, 0
    found = {"input_ids": ids, "attention_mask": mask}
    for name, values in found.items():
        values.tofile(folder / name)
    return found


def as_options(folder: Path, *names: str) -> list[str]:
    return [word for name in names for word in ("--tensor", f"{name}={folder / name}")]


@pytest.mark.parametrize("native", ["1", "0"])
def test_token_ids_give_the_bits_of_python(
    run_bundle: Path, bundles: Path, tmp_path: Path, native: str
) -> None:
    inputs = text_inputs(tmp_path)
    words = as_options(tmp_path, *inputs)
    output = "last_hidden_state"
    saved = ("--output", output, "--save", tmp_path / "numbers", "--native", native)
    ran = run_program(run_bundle, bundles / "texts", *words, *saved)
    assert ran.code == 0, ran.err
    check_bits(
        tmp_path / "numbers", in_python(bundles / "texts", "model.onnx", native == "1", **inputs)[output]
    )


# --- what does not fit ------------------------------------------------------------------------------------


def refused(ran: Ran) -> str:
    """The one line that a program ends with."""
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err.rstrip("\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "an input: none is named. Name pictures, or each input of the graph as --tensor NAME=FILE"),
        (["--colour", "red"], "--colour: there is no such option. See --help"),
        (["--native"], "--native: it has no value. See --help"),
        (["picture", "--tensor", "a=b"], "an input: there are pictures and tensors"),
        (["--tensor", "pixel_values"], "--tensor pixel_values: it is not NAME=FILE"),
        (["{picture}", "--native", "2"], "--native: it is neither 1 nor 0"),
        (["{picture}", "--threads", "0"], "--threads 0: it is no number from 1 to 65536"),
        (["{picture}", "--threads", "two"], "--threads two: it is no number from 1 to 65536"),
        (["{picture}", "--precision", "bf16"], "--precision bf16: the graph is there in fp32 and fp16"),
        (["{picture}", "--output", "text"], "--output text: the graph's outputs are image_embeds"),
        (["{picture}", "--graph", "decoder"], "--graph decoder: the graphs of "),
        (["--tensor", "input_ids={picture}"], "the input input_ids: the graphs of "),
        (["--tensor", "pixel_values={picture}"], " bytes, and pixel_values has 27648 (float32) for each"),
        (["{picture}", "--save", "{picture}/no/place"], "it can't be written (Not a directory)"),
    ],
    ids=str,
)
def test_words_that_do_not_fit(
    run_bundle: Path, bundles: Path, pictures: list[Path], words: list[str], reason: str
) -> None:
    given = [word.replace("{picture}", str(pictures[0])) for word in words]
    ran = run_program(run_bundle, bundles / "images", *given)
    said = ran.err.splitlines()[-1]
    assert (ran.code, ran.out) == (2, "")
    assert reason in said


def test_without_words_and_with_help(run_bundle: Path) -> None:
    assert refused(run_program(run_bundle)) == "a bundle: none is named. See --help"
    ran = run_program(run_bundle, "--help")
    assert ran.code == 0
    assert ran.out.startswith("run_bundle BUNDLE PICTURE.ppm... [OPTIONS]\n")


@pytest.mark.parametrize(
    ("name", "place", "value", "reason"),
    [
        ("input_ids", (1, 3), 50, "the input input_ids: it holds 50. Give numbers from 0 to 49"),
        ("input_ids", (0, 0), -1, "the input input_ids: it holds -1. Give numbers from 0 to 49"),
        ("attention_mask", (1, 30), 2, "the input attention_mask: it holds 2. Give numbers from 0 to 1"),
        ("attention_mask", (1, 0), 0, "text 2 begins with padding, or has no token. Pad behind the texts"),
    ],
)
def test_numbers_that_mean_nothing(
    run_bundle: Path,
    bundles: Path,
    tmp_path: Path,
    name: str,
    place: tuple[int, int],
    value: int,
    reason: str,
) -> None:
    inputs = text_inputs(tmp_path)
    inputs[name][place] = value
    inputs[name].tofile(tmp_path / name)
    ran = run_program(
        run_bundle, bundles / "texts", *as_options(tmp_path, *inputs), "--output", "last_hidden_state"
    )
    assert reason in refused(ran)


def test_inputs_that_are_missing_doubled_or_of_two_batches(
    run_bundle: Path, bundles: Path, tmp_path: Path
) -> None:
    inputs = text_inputs(tmp_path)

    def said(*words: str) -> str:
        return refused(run_program(run_bundle, bundles / "texts", *words, "--output", "last_hidden_state"))

    ids, mask = as_options(tmp_path, "input_ids"), as_options(tmp_path, "attention_mask")
    assert "its input attention_mask is not given. Give " in said(*ids)
    assert "--tensor input_ids: it is given twice. Give it once" in said(*ids, *ids)
    inputs["attention_mask"][:1].tofile(tmp_path / "attention_mask")
    assert "input_ids has 2 inputs, attention_mask has 1. Give files of the same batch" in said(*ids, *mask)
    (tmp_path / "attention_mask").write_bytes(b"")
    assert "it has 0 bytes, and attention_mask has 320 (int64)" in said(*ids, *mask)
    picture = write_ppm(tmp_path / "picture.ppm", noise(5, 5))
    assert "the input pixel_values: the graphs of " in said(str(picture))


def changed(bundles: Path, folder: Path, change: Change) -> Path:
    """A copy of the bundle of images whose manifest says something else, with the right digest."""
    bundle = Path(shutil.copytree(bundles / "images", folder / "bundle"))
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    change(manifest)
    write_manifest_file(bundle, manifest)
    return bundle


def native(**values: object) -> Change:
    return lambda manifest: manifest["native"][0].update(values)


def onnx(**values: object) -> Change:
    return lambda manifest: manifest["graphs"][0]["onnx"][0].update(values)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            native(arch="riscv"),
            "libpitome_onnxruntime.so: it is for riscv, this machine is x86_64. Give --native 0",
        ),
        (native(glibc="9.1"), "library libpitome_onnxruntime.so: it needs glibc 9.1, this machine has 2."),
        (native(onnxruntime_api=99), "it needs onnxruntime 1.99, this is 1.32.0. Give --native 0"),
        (native(sha256="0" * 64), f"that of the manifest {'0' * 64}. Get the bundle again"),
        (native(file="model.onnx"), "/model.onnx: its SHA-256 is "),
        (onnx(sha256="0" * 64), f"that of the manifest {'0' * 64}. Get the bundle again"),
        (onnx(file="absent.onnx"), "/absent.onnx: it can't be opened (No such file or directory)"),
        (onnx(file="../model.onnx"), "it names the file ../model.onnx, which lies outside the bundle"),
        (onnx(file="/etc/passwd"), "it names the file /etc/passwd, which lies outside the bundle"),
        (lambda manifest: manifest.update(schema_version=1), "its schema_version is 1, this program reads 2"),
        (lambda manifest: manifest.update(schema_version="2"), "its schema_version is not a number"),
        (lambda manifest: manifest.pop("graphs"), "its graphs is not in it"),
        (lambda manifest: manifest.update(graphs=[]), "it has no graphs"),
        (lambda manifest: manifest["model"]["weights"].update(random=True), "its weights are random"),
    ],
)
def test_a_manifest_that_does_not_fit(
    run_bundle: Path, bundles: Path, pictures: list[Path], tmp_path: Path, change: Change, reason: str
) -> None:
    bundle = changed(bundles, tmp_path, change)
    assert reason in refused(run_program(run_bundle, bundle, pictures[0]))


def test_random_weights_run_where_that_is_said(
    run_bundle: Path, bundles: Path, pictures: list[Path], tmp_path: Path
) -> None:
    bundle = changed(bundles, tmp_path, lambda manifest: manifest["model"]["weights"].update(random=True))
    assert run_program(run_bundle, bundle, pictures[0], "--allow-random").code == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not JSON: no value at byte 0"),
        (b"{", 'it is not JSON: no " at byte 1'),
        (b'{"a": 1, "a": 2}', "it is not JSON: the key a stands there twice"),
        (b'{"a": "\\ud800"}', "it is not JSON: half a character"),
        (b'{"a": 1} 2', "it is not JSON: something follows the value"),
        (b"[" * 1000, "it is not JSON: it is too deep"),
        (b'{"a": NaN}', "it is not JSON: no value"),
        (b'{"a": 1e999}', "it is not JSON: no value"),
        (b"[]", "its what holds schema_version is not an object"),
    ],
    ids=str,
)
def test_a_manifest_that_is_none(
    run_bundle: Path, pictures: list[Path], tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "manifest.json.sha256").write_text(f"{digest}  manifest.json\n", encoding="utf-8")
    assert reason in refused(run_program(run_bundle, tmp_path, pictures[0]))


def test_files_that_were_changed(
    run_bundle: Path, bundles: Path, pictures: list[Path], tmp_path: Path
) -> None:
    """Each is an error before anything is loaded; the digest is that of the bytes that are."""
    for name in ("manifest.json", "manifest.json.sha256", "model.onnx", NATIVE_NAME):
        bundle = Path(shutil.copytree(bundles / "images", tmp_path / name))
        data = bytearray((bundle / name).read_bytes())
        data[len(data) // 2] ^= 1
        (bundle / name).write_bytes(data)
        assert "SHA-256" in refused(run_program(run_bundle, bundle, pictures[0])), name


def test_a_library_that_is_none_and_a_graph_that_is_none(
    run_bundle: Path, bundles: Path, pictures: list[Path], tmp_path: Path
) -> None:
    """Digests that are right of files that are wrong: onnxruntime's own words."""
    wrong = b"not what it is called"
    digest = hashlib.sha256(wrong).hexdigest()
    for change, name in ((native, NATIVE_NAME), (onnx, "model.onnx")):
        (tmp_path / name).mkdir()
        bundle = changed(bundles, tmp_path / name, change(sha256=digest))
        (bundle / name).write_bytes(wrong)
        ran = run_program(run_bundle, bundle, pictures[0])
        assert ran.code == 2
        assert f"running the graph model of {bundle}: onnxruntime says: " in ran.err.splitlines()[0]
