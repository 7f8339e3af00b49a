"""``pitome engine --native``: the operator library in the bundle, in parity and in the latency report."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitome.bundle import file_sha256, verify_bundle
from tests.cli.command_line import Outcome, pitome
from tests.plugins.onnxruntime.one_merge import LIBRARY

QUICK = ("--parity-images", "2", "--batch", "1", "--threads", "1", "--latency-seconds", "0.1")


@pytest.fixture(scope="module")
def built(vit_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("native")
    return out / vit_folder.name, pitome("engine", vit_folder, "--out", out, "--native", LIBRARY, *QUICK)


def test_the_bundle_carries_the_library(built: tuple[Path, Outcome]) -> None:
    bundle, outcome = built
    assert outcome.code == 0, outcome.err
    manifest = verify_bundle(bundle)
    [record] = manifest.native
    assert (record.kind, record.file) == ("onnxruntime", "libpitome_onnxruntime.so")
    assert record.sha256 == file_sha256(LIBRARY) == file_sha256(bundle / record.file)


def test_parity_is_checked_both_ways(built: tuple[Path, Outcome]) -> None:
    parity = verify_bundle(built[0]).parity
    assert parity is not None
    assert parity.decisions is not None
    assert parity.native_decisions is not None
    assert parity.decisions.runtime == "onnxruntime fp32"
    assert parity.native_decisions.runtime == "onnxruntime native fp32"
    assert len(parity.native_decisions.layers) == len(parity.decisions.layers)


def test_the_library_is_measured(built: tuple[Path, Outcome]) -> None:
    latency = verify_bundle(built[0]).latency
    assert latency is not None
    assert latency.comparison is not None
    names = [[each.name for each in record.contestants] for record in latency.comparison]
    assert names == [["merged", "unmerged", "native"]]


def test_a_library_that_is_not_there_is_refused_before_the_model_is_loaded(
    vit_folder: Path, tmp_path: Path
) -> None:
    absent = tmp_path / "absent.so"
    outcome = pitome("engine", vit_folder, "--out", tmp_path, "--native", absent)
    assert outcome.code != 0
    assert (
        f"the operator library {absent}: there is no such file. Build it with `make native`"
        in outcome.message
    )
    assert not (tmp_path / vit_folder.name).exists()


def test_a_model_that_merges_nothing_has_no_use_for_it(vit_folder: Path, tmp_path: Path) -> None:
    outcome = pitome("engine", vit_folder, "--out", tmp_path, "--native", LIBRARY, "--method", "none")
    assert outcome.code != 0
    assert "for a model without a merge of the operator" in outcome.message
