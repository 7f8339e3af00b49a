"""Files of another version of the operator, seen before a runtime opens them."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from pitome.errors import InputError
from pitome.op import ONNX_DOMAIN, ONNX_VERSION
from pitome.parameters import MergeParameters
from pitome.runtime.onnxruntime import open_session
from pitome.runtime.operator_version import DOMAIN, VERSION, check_operator_version, operator_version
from tests.operator_model import operator_model


def write(path: Path, version: int | None) -> Path:
    """A merge whose operator has this version; None: standard operators only."""
    model = operator_model(MergeParameters(2, 4), 9, 4, 4)
    imported = [opset for opset in model.opset_import if opset.domain != "pitome"]
    del model.opset_import[:]
    model.opset_import.extend(imported)
    if version is not None:
        model.opset_import.append(onnx.helper.make_opsetid("pitome", version))
    onnx.save(model, path)
    return path


def test_it_is_the_version_that_the_exporter_writes() -> None:
    assert (DOMAIN.decode(), VERSION) == (ONNX_DOMAIN, ONNX_VERSION)


@pytest.mark.parametrize("version", [None, 1, 2, 300])
def test_the_version_is_read(tmp_path: Path, version: int | None) -> None:
    assert operator_version(write(tmp_path / "model.onnx", version)) == version


@pytest.mark.parametrize("version", [1, 3])
def test_no_session_is_opened_for_another_version(tmp_path: Path, version: int) -> None:
    path = write(tmp_path / "model.onnx", version)
    with pytest.raises(InputError) as error:
        open_session(path)
    assert str(error.value) == (
        f"reading {path}: its merges are of version {version} of the operator pitome::EnergyMerge, and this "
        "is version 2, whose attributes mean something else. Build the bundle again with this version"
    )


def test_this_version_and_files_without_merges_pass(tmp_path: Path) -> None:
    check_operator_version(write(tmp_path / "merged.onnx", VERSION))
    check_operator_version(write(tmp_path / "plain.onnx", None))


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 40, b"no protobuf", b"\x42\x0a\x0a"])
def test_what_is_no_protobuf_is_left_to_who_loads_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert operator_version(path) is None
    with pytest.raises(InputError, match="can't load it"):
        open_session(path)
