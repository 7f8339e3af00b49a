"""Every way in which a bundle can be wrong is found, and has a message of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pitome import bundle
from pitome.bundle import Manifest, read_manifest, valid_files, verify_bundle
from pitome.bundle.verification import unknown_files
from tests.checkout import ROOT
from tests.pitome.bundle.bundle_cases import (
    CONTENTS,
    OWN,
    changed,
    document,
    make_bundle,
    refusal,
    sha256,
    write_raw,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "clip-b16")


def test_sha256sum_agrees_with_the_digest_file(folder: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", OWN[1]], cwd=folder, check=True)


def test_every_file_is_listed_once(folder: Path) -> None:
    assert sorted(item.file for item in read_manifest(folder).files()) == sorted(CONTENTS)


@pytest.mark.parametrize("position", [0, 0.5, 1])
@pytest.mark.parametrize("name", [*CONTENTS, *OWN])
def test_one_flipped_byte_is_found(folder: Path, name: str, position: float) -> None:
    data = bytearray((folder / name).read_bytes())
    data[int(position * (len(data) - 1))] ^= 0x01
    (folder / name).write_bytes(data)
    text = refusal(folder)
    assert f"{name} is damaged" in text or f"{OWN[0]} or {OWN[1]} is damaged" in text
    assert text.endswith(". Run `make engine` for this model again")
    if name in CONTENTS:
        assert f"expected sha256 {sha256(CONTENTS[name])[:12]}, found {sha256(data)[:12]}" in text


def test_every_flipped_bit_of_the_digest_file_is_found(folder: Path) -> None:
    good = (folder / OWN[1]).read_bytes()
    for position in range(len(good)):
        for bit in range(8):
            data = bytearray(good)
            data[position] ^= 1 << bit
            (folder / OWN[1]).write_bytes(data)
            assert "is damaged" in refusal(folder)


@pytest.mark.parametrize("name", [*CONTENTS, *OWN])
def test_a_truncated_file_is_found(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()[:-1]
    (folder / name).write_bytes(data)
    text = refusal(folder)
    assert name in text
    assert "is damaged" in text
    if name in ("model.onnx", "model.onnx.data"):
        assert f"expected {len(data) + 1} bytes, found {len(data)} bytes" in text


@pytest.mark.parametrize("name", [*CONTENTS, *OWN])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert refusal(folder) == f"bundle {folder}: {name} is missing. Run `make engine` for this model again"


def test_a_folder_in_place_of_a_file(folder: Path) -> None:
    (folder / "report.html").unlink()
    (folder / "report.html").mkdir()
    assert "report.html is not a regular file" in refusal(folder)


def test_a_pipe_in_place_of_a_file_does_not_block(folder: Path) -> None:
    (folder / "report.html").unlink()
    os.mkfifo(folder / "report.html")
    assert "report.html is not a regular file" in refusal(folder)


def test_a_link_that_leads_out_is_refused_although_its_bytes_are_right(folder: Path) -> None:
    (folder / "model.onnx").rename(folder.parent / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(folder.parent / "elsewhere.onnx")
    assert "model.onnx is a link that leads out of the bundle" in refusal(folder)


@pytest.mark.parametrize("name", OWN)
def test_manifest_and_digest_are_files_of_the_folder(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")
    assert f"{name} is a link that leads out of the bundle" in refusal(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    assert f"{name} is a link that leads out of the bundle" in refusal(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("gone")
    assert f"{name} is missing" in refusal(folder)
    (folder / name).unlink()
    (folder / name).symlink_to(name)
    assert f"{name} cannot be read (Symlink loop from" in refusal(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert f"{name} is not a regular file" in refusal(folder)
    assert valid_files(folder) == (None, frozenset())
    (folder / name).unlink()
    (folder / name).mkdir()
    assert f"{name} is not a regular file" in refusal(folder)


@pytest.mark.parametrize("name", ["model.onnx", *OWN])
def test_a_link_to_a_file_of_the_folder_is_as_good_as_the_file(folder: Path, name: str) -> None:
    (folder / name).rename(folder / "moved")
    (folder / name).symlink_to("moved")
    with pytest.warns(UserWarning, match="holds what its manifest does not list: moved"):
        verify_bundle(folder)


def test_a_folder_of_files_that_is_a_link_is_refused(folder: Path) -> None:
    (folder / "plans").rename(folder.parent / "plans")
    (folder / "plans").symlink_to(folder.parent / "plans")
    assert "plans/model.fp16.sm80.plan is a link that leads out of the bundle" in refusal(folder)


def test_unknown_files_are_named(folder: Path) -> None:
    assert unknown_files(folder, read_manifest(folder)) == []
    (folder / "plans" / "notes.txt").write_text("mine")
    (folder / "empty").mkdir()
    (folder / ".hidden").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    with pytest.warns(UserWarning, match="pipe") as told:
        verify_bundle(folder)
    assert str(told[0].message) == (
        f"the bundle {folder} holds what its manifest does not list: .hidden, empty/, pipe, plans/notes.txt. "
        "Nothing reads or checks it, and the next build removes it"
    )


def test_many_unknown_files_are_counted(folder: Path) -> None:
    for number in range(12):
        (folder / f"x{number:02}").touch()
    with pytest.warns(UserWarning, match="x08, x09 and 2 more. Nothing reads"):
        verify_bundle(folder)


def test_links_in_a_circle_are_refused(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to("model.onnx")
    assert "model.onnx cannot be read" in refusal(folder)


def test_a_bundle_behind_a_link_is_as_good(folder: Path) -> None:
    (folder.parent / "latest").symlink_to(folder)
    assert verify_bundle(folder.parent / "latest") == verify_bundle(folder)


def test_what_is_no_bundle_says_so(folder: Path) -> None:
    give = "Give the folder that `make engine` wrote, such as build/clip-b16"
    missing, empty = folder / "missing", folder / "empty"
    empty.mkdir()
    assert refusal(missing) == f"bundle {missing}: there is no such folder. {give}"
    assert refusal(empty) == f"bundle {empty}: it is not a bundle (it has no manifest.json). {give}"
    file = folder / "model.onnx"
    assert refusal(file) == f"bundle {file}: it is a file, not a folder. {give}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"schema_version = 1",
        b"\xff\xfe",
        b'{"schema_version": NaN}',
        b'{"flops": -Infinity}',
        b"[" * 100_000,
        b'{"schema_version": 2, "schema_version": 2}',
        b'\xef\xbb\xbf{"schema_version": 2}',
        json.dumps(document()).encode()[:-1],
    ],
)
def test_a_manifest_that_is_not_json(folder: Path, data: bytes) -> None:
    write_raw(folder, data)
    assert "manifest.json is not JSON (" in refusal(folder)


def test_an_unknown_schema_version_has_its_own_message(folder: Path) -> None:
    newer = {"schema_version": 3, "pitome_version": "9.1", "everything": "else may differ"}
    write_raw(folder, json.dumps(newer).encode())
    assert refusal(folder) == (
        f"bundle {folder}: its schema_version is 3, and this pitome reads 2. "
        "Install the pitome that wrote it (9.1), or build the bundle again"
    )


@pytest.mark.parametrize("version", [0, "1", True, 1.0, -1, [1]])
def test_an_odd_schema_version_is_shown(folder: Path, version: object) -> None:
    write_raw(folder, json.dumps(changed("schema_version", version)).encode())
    assert f"its schema_version is {version!r}, and this pitome reads 2. Run `make engine`" in refusal(folder)


@pytest.mark.parametrize("data", [b"{}", b"[]", b"null", b'"text"'])
def test_no_schema_version(folder: Path, data: bytes) -> None:
    write_raw(folder, data)
    assert "manifest.json has no schema_version" in refusal(folder)


def test_valid_files_of_an_intact_bundle_are_all(folder: Path) -> None:
    assert valid_files(folder) == (Manifest.model_validate(document()), frozenset(CONTENTS))


def test_valid_files_leaves_out_what_is_damaged_or_missing(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"another")
    (folder / "report.html").unlink()
    assert valid_files(folder)[1] == frozenset(CONTENTS) - {"model.onnx", "report.html"}


@pytest.mark.parametrize("data", [b"{}", b"\xff", json.dumps(changed("extra", 1)).encode()])
def test_nothing_is_reusable_without_a_manifest(folder: Path, data: bytes) -> None:
    write_raw(folder, data)
    assert valid_files(folder) == (None, frozenset())
    assert valid_files(folder / "missing") == (None, frozenset())
    assert valid_files(folder / "model.onnx") == (None, frozenset())


def test_digest_of_a_value_ignores_order_and_tells_values_apart() -> None:
    assert bundle.digest_of({"a": 1, "b": (2, 3)}) == bundle.digest_of({"b": [2, 3], "a": 1})
    assert bundle.digest_of({"a": [1, 2]}) != bundle.digest_of({"a": [2, 1]})
    assert bundle.digest_of({}) == sha256(b"{}")
    with pytest.raises(ValueError, match="JSON compliant"):
        bundle.digest_of(float("nan"))
    with pytest.raises(TypeError, match="not JSON serializable"):
        bundle.digest_of(Path("x"))


def test_file_sha256_is_the_digest_of_its_bytes(folder: Path) -> None:
    assert bundle.file_sha256(folder / "model.onnx") == sha256(CONTENTS["model.onnx"])


def test_production_reads_a_bundle_without_torch_or_onnx(folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; import pitome.bundle, pitome.bundle.publishing\n"
        "pitome.bundle.verify_bundle(Path(sys.argv[1]))\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'transformers', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(folder)], cwd=ROOT, check=True)
