"""The operator library in a session: what is checked before it is loaded, and which path the merges take."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest

from pitome.bundle import file_sha256
from pitome.errors import BackendError, InputError
from pitome.parameters import MergeParameters
from pitome.runtime.devices import DEVICES
from pitome.runtime.native import NativeLibrary, describe_native, oldest_glibc
from pitome.runtime.onnxruntime import OnnxRuntime, open_session
from pitome.version import __version__
from tests.checkout import ROOT
from tests.export.plans.plugin_files import NO_CREATORS, compile_library
from tests.operator_model import operator_model
from tests.plugins.onnxruntime.one_merge import LIBRARY

LEAVE_IT = "Leave the library out: the model then runs by the function that it carries"


@pytest.fixture
def library() -> NativeLibrary:
    return describe_native(LIBRARY)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "merge.onnx"
    onnx.save(operator_model(MergeParameters(4, 16, 1), 33, 8, 8), path)
    return path


def changed(library: NativeLibrary, **values: Any) -> NativeLibrary:
    return replace(library, record=library.record.model_copy(update=values))


def test_what_is_recorded_of_a_library(library: NativeLibrary) -> None:
    record = library.record
    assert (record.file, record.kind, record.version) == (
        "libpitome_onnxruntime.so",
        "onnxruntime",
        __version__,
    )
    assert record.sha256 == file_sha256(LIBRARY)
    assert (record.arch, record.onnxruntime_api) == (platform.machine(), 17)
    assert record.providers == ("CPUExecutionProvider",)
    assert record.glibc is not None
    assert (2, 2) < tuple(map(int, record.glibc.split("."))) <= (2, 36)
    if record.arch == "x86_64":
        assert record.instruction_sets == ("avx512f", "avx2", "sse4.2", "sse2")


def test_the_merges_are_with_the_library(library: NativeLibrary, model: Path) -> None:
    runtime = OnnxRuntime(model, native=library)
    assert runtime.name == "onnxruntime native"
    assert OnnxRuntime(model).name == "onnxruntime"


def test_a_file_without_a_merge_is_refused(library: NativeLibrary, model: Path) -> None:
    plain = onnx.load(model)
    plain.graph.node[0].CopyFrom(onnx.helper.make_node("Identity", ["x"], ["y"]))
    del plain.graph.output[1:]
    plain.graph.output[0].CopyFrom(plain.graph.input[0])
    plain.graph.output[0].name = "y"
    onnx.save(plain, model)
    with pytest.raises(BackendError) as caught:
        open_session(model, native=library)
    assert str(caught.value) == (
        f"running {model} with {LIBRARY}: no merge of the graph is with the library. Leave it out"
    )


def test_another_file_than_the_recorded_one_is_not_loaded(library: NativeLibrary, tmp_path: Path) -> None:
    other = tmp_path / "other.so"
    other.write_bytes(LIBRARY.read_bytes() + b"\0")
    with pytest.raises(BackendError) as caught:
        replace(library, path=other).register(onnxruntime.SessionOptions())
    assert str(caught.value) == (
        f"the operator library {other}: its SHA-256 is {file_sha256(other)}, that of the recorded file "
        f"{library.record.sha256}. Do not load it: build it again, or restore the file"
    )


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"arch": "aarch64x"}, f"it is for aarch64x, this machine is {platform.machine()}. {LEAVE_IT}"),
        (
            {"glibc": "2.99"},
            f"it needs glibc 2.99, this machine has glibc {platform.libc_ver()[1]}. {LEAVE_IT}",
        ),
        (
            {"onnxruntime_api": 99},
            f"it needs onnxruntime 1.99 or newer, {onnxruntime.__version__} is installed. "
            f"Install a newer onnxruntime. {LEAVE_IT}",
        ),
    ],
    ids=["processor", "C library", "onnxruntime"],
)
def test_a_library_for_another_machine_is_refused(
    library: NativeLibrary, values: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BackendError) as caught:
        changed(library, **values).check()
    assert str(caught.value) == f"the operator library {LIBRARY}: {reason}"


def test_a_missing_library(library: NativeLibrary, tmp_path: Path) -> None:
    absent = tmp_path / "absent.so"
    build = "Build it with `make native` or `pitome plugin --native`"
    with pytest.raises(BackendError) as caught:
        describe_native(absent)
    assert str(caught.value) == f"the operator library {absent}: there is no such file. {build}"
    with pytest.raises(BackendError) as caught:
        replace(library, path=absent).check()
    assert str(caught.value) == f"the operator library {absent}: there is no such file. {build}. {LEAVE_IT}"


def test_a_file_that_is_no_such_library(library: NativeLibrary, tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("no library", encoding="utf-8")
    build = "Build it with `make native` or `pitome plugin --native`"
    pipe = tmp_path / "pipe.so"
    os.mkfifo(pipe)
    for file, reason in (
        (text, "it is not a shared library"),
        (tmp_path, "Is a directory"),
        (pipe, "it is not a regular file"),
        (Path("/dev/null"), "it is not a regular file"),
    ):
        with pytest.raises(BackendError) as caught:
            describe_native(file)
        assert str(caught.value) == f"the operator library {file}: {reason}. {build}"
    recorded = replace(changed(library, sha256=file_sha256(text)), path=text)
    with pytest.raises(BackendError, match=r"onnxruntime did not load it \(.*\)\. Leave the library out"):
        recorded.register(onnxruntime.SessionOptions())


def test_a_library_that_was_cut_short_or_is_another_machines(tmp_path: Path) -> None:
    whole = LIBRARY.read_bytes()
    other = tmp_path / "other.so"
    other.write_bytes(whole[:18] + (183).to_bytes(2, "little") + whole[20:])  # EM_AARCH64 of the ELF header
    with pytest.raises(BackendError, match=r": it is for another kind of machine\. Build it with"):
        describe_native(other)
    for size in (48, 4096, 100_000, len(whole) // 2):
        other.write_bytes(whole[:size])
        with pytest.raises(BackendError) as caught:
            describe_native(other)
        # Where the loader stumbles depends on the linker's layout.
        assert caught.value.found.startswith((f"{other}: ", "a process that loaded it ended with SIG"))


def test_another_library_is_none_of_these(tmp_path: Path) -> None:
    library = compile_library(tmp_path, NO_CREATORS)
    with pytest.raises(BackendError, match=r"undefined symbol: pitome_onnxruntime_version\. Build it with"):
        describe_native(library)


def test_a_library_is_described_without_being_loaded() -> None:
    code = (
        "from pathlib import Path\nfrom pitome.runtime.native import describe_native\n"
        f"assert describe_native(Path({str(LIBRARY)!r})).record.version\n"
        f"raise SystemExit({str(LIBRARY)!r} in Path('/proc/self/maps').read_text())"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_library_for_the_cpu_is_refused_on_another_device(
    library: NativeLibrary, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pitome.runtime.onnxruntime.check_device", lambda device: None)
    with pytest.raises(InputError) as caught:
        open_session(model, device=DEVICES[1], native=library)
    assert str(caught.value) == (
        f"running {model} with the operator library and DEVICE=cuda: the library has the operator for the "
        "CPU only. Leave the library out, or use DEVICE=cpu"
    )


def test_a_library_of_a_manifest_without_providers_is_for_the_cpu(library: NativeLibrary) -> None:
    older = changed(library, providers=())
    older.check_device("running it", DEVICES[0])
    with pytest.raises(InputError, match="the library has the operator for the CPU only"):
        older.check_device("running it", DEVICES[1])


def test_a_library_with_the_operator_for_cuda_is_taken_there_but_not_by_tensorrt(
    library: NativeLibrary,
) -> None:
    both = changed(library, providers=("CPUExecutionProvider", "CUDAExecutionProvider"))
    both.check_device("running it", DEVICES[0])
    both.check_device("running it", DEVICES[1])
    with pytest.raises(InputError) as caught:
        both.check_device("running it", DEVICES[2])
    assert str(caught.value) == (
        "running it with the operator library and DEVICE=tensorrt: TensorRT takes no operator of "
        "onnxruntime's, and every merge would cut its graph in two. Leave the library out, or use "
        "DEVICE=cuda or DEVICE=cpu"
    )


def test_the_oldest_c_library_is_the_newest_version_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "library.so"
    file.write_bytes(b"x\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.4\0GLIBCXX_3.4.99\0GLIBC_PRIVATE\0")
    assert oldest_glibc(file) == "2.34"
    file.write_bytes(b"nothing")
    assert oldest_glibc(file) is None
