"""A bundle's tokenizer is opened in a process of its own first: whatever it does there is one error here."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pitome
from pitome.bundle import file_sha256, read_manifest, write_manifest
from pitome.bundle.preprocess_record import ImagePreprocess, ResizeRecord
from pitome.errors import BundleError
from pitome.runtime.first_opening import MEMORY, TokenizerSource, try_opening
from tests.pitome.runtime.bundles import bundle_of, copy_of
from tests.validate.text_checkpoint import write_tokenizer

pytestmark = pytest.mark.slow
GET_AGAIN = "Do not use the bundle: get it again from where it was built, or build it again"


@pytest.fixture
def source(tmp_path: Path) -> TokenizerSource:
    (tmp_path / "files").mkdir()
    write_tokenizer(tmp_path / "files")
    return TokenizerSource(str(tmp_path / "files"), 50, 0, 24)


def change(source: TokenizerSource, how: Callable[[Any], object]) -> None:
    path = Path(source.folder) / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    how(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def pattern(text: str) -> Callable[[Any], object]:
    split = {"type": "Split", "pattern": {"Regex": text}, "behavior": "Isolated", "invert": False}
    return lambda content: content.update(pre_tokenizer=split)


def test_one_that_is_whole_passes(source: TokenizerSource) -> None:
    started = time.perf_counter()
    try_opening("the bundle b", source, None)
    once = time.perf_counter() - started
    started = time.perf_counter()
    try_opening("the bundle b", source, None)  # what has passed is not tried again
    assert time.perf_counter() - started < once / 5


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (lambda content: content.pop("model"), "it can't be read"),
        (lambda content: content.update(model={"type": "Unigram", "vocab": []}), "`unk_id` is missing"),
        (lambda content: content["model"]["vocab"].update(beyond=50), "its token 'beyond' has the number 50"),
        (
            lambda content: content["post_processor"]["single"].append(
                {"SpecialToken": {"id": "[NOT]", "type_id": 0}}
            ),
            "its template (single) names the token '[NOT]'",
        ),
        (pattern("(((("), "it can't be read"),
        (pattern("(x+x+)+(x+x+)+(x+x+)+y"), "retry-limit-in-match over"),
    ],
)
def test_a_file_that_is_refused(source: TokenizerSource, how: Callable[[Any], object], told: str) -> None:
    change(source, how)
    with pytest.raises(BundleError) as error:
        try_opening("the bundle b", source, None)
    assert told in str(error.value)
    assert error.value.asked == "the bundle b"
    assert GET_AGAIN in error.value.remedy


def test_one_that_takes_too_long(source: TokenizerSource) -> None:
    with pytest.raises(BundleError, match=r"opening its tokenizer took more than 0\.05 seconds"):
        try_opening("the bundle b", replace(source, sequence_length=21), None, seconds=0.05)


def test_one_that_takes_all_memory(source: TokenizerSource) -> None:
    """The library aborts, or Python says so: this process goes on."""
    huge = {"type": "Replace", "pattern": {"String": "x"}, "content": "y" * 1_000_000}
    change(source, lambda content: content.update(normalizer=huge))
    with pytest.raises(BundleError, match=r"was ended by SIGABRT|bytes of memory"):
        try_opening("the bundle b", source, None, memory=MEMORY // 4)


@pytest.mark.parametrize("crash", ["os.abort()", "os.kill(os.getpid(), 9)", "os._exit(3)", "print('{')"])
def test_a_process_that_crashes(
    source: TokenizerSource, crash: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library of that name which does it, in place of the real one."""
    (tmp_path / "path" / "tokenizers").mkdir(parents=True)
    (tmp_path / "path" / "tokenizers" / "__init__.py").write_text(f"import os, sys\n{crash}\nsys.exit(4)\n")
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    change(source, lambda content: content.update(marker=crash))
    with pytest.raises(BundleError) as error:
        try_opening("the bundle b", source, None)
    told = {"os.abort()": "was ended by SIGABRT", "os.kill(os.getpid(), 9)": "was ended by SIGKILL"}
    assert f"opening its tokenizer in a process of its own {told.get(crash, 'ended with code')}" in str(
        error.value
    )


def test_what_lies_in_the_working_directory_is_not_imported(
    source: TokenizerSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tokenizers.py", "json.py", "numpy.py"):
        (tmp_path / name).write_text("raise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    try_opening("the bundle b", replace(source, sequence_length=20), None)


def test_image_steps_that_take_all_memory() -> None:
    steps = ImagePreprocess(
        height=40_000,
        width=40_000,
        channels=4,
        resize=ResizeRecord(shortest_edge=8, resample=3),
        crops=((40_000, 40_000),),
        rescale_factor=1 / 255,
        mean=None,
        std=None,
    )
    with pytest.raises(BundleError, match="the steps for its images"):
        try_opening("the bundle b", None, steps)
    small = steps.model_copy(update={"height": 8, "width": 8, "crops": ((8, 8),)})
    try_opening("the bundle b", None, small)


def test_load_tries_it_first(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """A whole bundle whose tokenizer panics: its digests are right, so only opening it shows it."""
    bundle = copy_of(bundle_of(tmp_path_factory, "sentence"), tmp_path)
    source = TokenizerSource(str(bundle), 50, 0, 24)
    change(source, pattern("(x+x+)+(x+x+)+(x+x+)+y"))
    manifest = read_manifest(bundle)
    digest = file_sha256(bundle / "tokenizer.json")
    assets = tuple(
        asset.model_copy(update={"sha256": digest}) if asset.file == "tokenizer.json" else asset
        for asset in manifest.assets
    )
    write_manifest(bundle, manifest.model_copy(update={"assets": assets}))
    with caplog.at_level(logging.INFO), pytest.raises(BundleError) as error:
        pitome.load(bundle)
    assert str(error.value).startswith(f"the bundle {bundle}: ")
    assert "its tokenizer" in str(error.value) or "the tokenizer" in str(error.value)
    shutil.rmtree(bundle)
