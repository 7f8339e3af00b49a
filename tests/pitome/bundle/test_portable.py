"""Paths in a manifest are seen from the bundle's folder, and none is that of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitome.bundle.portable import is_path, places_of, portable_command, seen_from


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/home/me/model", "../../model"),
        ("/home/me/project/build/other", "../other"),
        ("/home/me/project/build/bundle/inside", "./inside"),
        ("/data/models/vit", "./vit"),
        ("/", "./"),
    ],
)
def test_a_path_is_seen_from_the_bundle(path: str, text: str) -> None:
    assert seen_from(Path("/home/me/build/bundle"), path.replace("project/", "")) == text
    assert is_path(text)


def test_a_relative_path_is_of_where_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert seen_from(tmp_path / "build" / "bundle", "model") == "../../model"
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b")
    assert seen_from(tmp_path / "link", "model") == "../../model"


def test_bytes_that_are_no_text_can_be_written(tmp_path: Path) -> None:
    assert seen_from(tmp_path / "bundle", tmp_path / "model\udcff") == r"../model\xff"
    assert portable_command("pitome engine 'a\udcff'") == r"pitome engine 'a\xff'"


@pytest.mark.parametrize("text", ["clip-b16", "org/name", "random", "packaged", "a/b", "/root/model", ""])
def test_what_is_no_path_of_a_bundle(text: str) -> None:
    assert not is_path(text)


def test_places_where_a_model_may_lie(tmp_path: Path) -> None:
    bundle = tmp_path / "build" / "bundle"
    assert places_of(bundle, "../../models/vit") == (
        tmp_path / "models" / "vit",
        tmp_path / "build" / "vit",
        Path("../../models/vit"),
    )
    assert places_of(bundle, "../../models/bundle") == (
        tmp_path / "models" / "bundle",
        Path("../../models/bundle"),
    )
    assert places_of(bundle, "./vit") == (bundle / "vit", tmp_path / "build" / "vit", Path("vit"))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("pitome engine clip-b16 --ratio 0.9", "pitome engine clip-b16 --ratio 0.9"),
        ("pitome engine /home/me/run/model --out /home/me/build", "pitome engine ./model --out ../build"),
        ("pitome engine org/name@a1/b2 --r 1,2", "pitome engine org/name@a1/b2 --r 1,2"),
        ("pitome bench b --resume=/home/me/x.jsonl", "pitome bench b --resume=../x.jsonl"),
        ("pitome validate b --task imagefolder:/data/p", "pitome validate b --task imagefolder:./p"),
        ("pitome validate b --task karpathy:/d/a:/d/i", "pitome validate b --task karpathy:./a:./i"),
        ("make engine MODEL=/data/m OUT=/home/me/run/build", "make engine MODEL=./m OUT=./build"),
        ("HF_ENDPOINT=https://hub/x pitome engine a/b", "HF_ENDPOINT=https://hub/x pitome engine a/b"),
        ("pitome engine '/home/me/run/a b'", "pitome engine './a b'"),
        ("pitome engine //home/me/run/m", "pitome engine ./m"),
        ("it's no command /data/x", "it's no command /data/x"),
    ],
)  # fmt: skip
def test_a_command_names_no_folder_of_the_machine(command: str, expected: str) -> None:
    found = portable_command(command, Path("/home/me/run"))
    assert found == expected or command.startswith("it's")
