"""Data without labels, as commands take it: tasks, inputs of parity, sweeps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pitome.bundle import verify_bundle
from pitome.engine import keys
from pitome.engine.options import CheckOptions, MergeSettings, ModelOptions, ScheduleOptions
from pitome.engine.prepare import prepare, with_own_inputs
from pitome.engine.progress import Silent
from tests.cli.command_line import QUICK, QUICK_PLAN, pitome

CHECKED = ("--parity-images", "2")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images, flat and nested, one of them damaged, and a file that is none."""
    folder = tmp_path_factory.mktemp("own") / "my: photos"
    generator = np.random.default_rng(0)
    for number in range(24):
        path = folder / ("", "a", "b/c")[number % 3] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((40, 30)).save(path)
    (folder / "cut.png").write_bytes((folder / "00.png").read_bytes()[:60])
    (folder / "<b>notes.txt").touch()
    return folder


@pytest.fixture(scope="module")
def exported(clip_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("own-bundle")
    outcome = pitome("export", clip_folder, "--out", out, "--precision", "fp32", "--ratio", "0.8")
    assert outcome.code == 0, outcome.err
    return out / "clip-tiny"


def test_a_folder_of_photos(exported: Path, photos: Path, tmp_path: Path) -> None:
    asked = ("--task", f"images:{photos}", "--inputs", f"images:{photos}", "--report", tmp_path / "page.html")
    outcome = pitome("validate", exported, *CHECKED, *asked, "--json")
    assert outcome.code == 0, outcome.err
    found: Any = outcome.document
    (task,) = found["accuracy"]["tasks"]
    own = task["own_data"]
    assert (task["task"], task["main"], own["found"], own["used"]) == (f"images:{photos}", "cosine", 25, 24)
    assert {part["count"] for part in own["skipped"]} == {1}
    merged = next(model for model in task["models"] if model["model"] == "merged PyTorch")
    assert len(merged["own"]["worst"]) == 10
    assert merged["own"]["reindex"]["answer"] == "not judged"
    assert {"recall@1, unmerged index", "recall@10, merged index"} < set(merged["metrics"])
    worst = merged["own"]["worst"][0]
    assert worst["closeness"] == pytest.approx(merged["details"]["minimum"]["cosine"])
    assert found["parity"]["inputs"] == {"random": 2, "own images": 24}
    assert found["parity"]["own_data"]["data_sha256"] == own["data_sha256"]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('<li><img src="data:image/jpeg;base64,') >= 10
    assert worst["name"] in page
    assert "&lt;b&gt;notes.txt" in page


def test_a_limit_and_what_the_terminal_says(exported: Path, photos: Path, tmp_path: Path) -> None:
    asked = ("--task", f"images:{photos}", "--limit", "12", "--report", tmp_path / "page.html")
    outcome = pitome("validate", exported, *CHECKED, *asked)
    assert outcome.code == 0, outcome.err
    told = " ".join(outcome.out.split())
    for part in (
        "11 of 25 images of images:",
        "chosen by seed 0 under a limit of 12",
        "re-index or not: not judged: 11 samples are too few",
        "1 damaged or cut off (cut.png)",
        "The 10 of lowest cosine to the unmerged model",
    ):
        assert part in told


def test_folders_that_are_no_labels(exported: Path, photos: Path, vit_folder: Path, tmp_path: Path) -> None:
    bundle = pitome("export", vit_folder, "--out", tmp_path, "--precision", "fp32", "--ratio", "0.8")
    assert bundle.code == 0, bundle.err
    asked = ("--task", f"imagefolder:{photos}", "--report", tmp_path / "page.html")
    outcome = pitome("validate", tmp_path / "vit-tiny", *CHECKED, *asked)
    assert outcome.code == 0, outcome.err
    reason = f"the class folders of imagefolder:{photos} (a, b) are no labels of the model"
    assert reason in " ".join(outcome.message.split())
    assert f"{reason}, so the merged model is held" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_limits_of_the_user(exported: Path, photos: Path, tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text("[own_data]\nmin_worst_cosine = 1.0\n")
    asked = ("--task", f"images:{photos}", "--thresholds", limits, "--report", tmp_path / "page.html")
    outcome = pitome("validate", exported, *CHECKED, *asked)
    assert outcome.code == 1
    assert "the worst cosine of images:" in outcome.message


@pytest.mark.full
def test_parity_of_a_build_on_own_photos_is_reused_until_they_change(
    clip_folder: Path, photos: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(photos, tmp_path / "photos"))
    asked = ("engine", clip_folder, "--out", tmp_path / "build", *QUICK, *QUICK_PLAN, "--json")
    first = pitome(*asked, "--inputs", f"images:{own}")
    assert first.code == 0, first.err
    manifest = verify_bundle(tmp_path / "build" / "clip-tiny")
    assert manifest.parity is not None
    assert manifest.parity.inputs == {"random": 4, "own images": 24}
    assert manifest.parity.own_data is not None
    assert manifest.parity.own_data.data == "images:../../photos", "as seen from the bundle"
    assert manifest.build.check is not None
    assert manifest.build.check.inputs == "images:../../photos"
    moved = own.rename(tmp_path / "moved")
    assert "parity" in pitome(*asked, "--inputs", f"images:{moved}").document["reused"]
    (moved / "00.png").write_bytes((moved / "03.png").read_bytes())
    assert "parity" not in pitome(*asked, "--inputs", f"images:{moved}").document["reused"]


def test_other_images_are_another_parity_check(exported: Path, photos: Path, clip_folder: Path) -> None:
    options = CheckOptions(inputs=f"images:{photos}")
    prepared = prepare(ModelOptions(str(clip_folder)), ScheduleOptions(), MergeSettings(), Silent())
    own = with_own_inputs(prepared, options, Silent()).own
    assert own is not None
    graphs, record = verify_bundle(exported).onnx, own.record
    changed = [
        {"data_sha256": "1" * 64},
        {"skipped": ()},
        {"data": "images:elsewhere"},
    ]
    keyed = [
        keys.parity_key(graphs, prepared.loaded, options, own=record.model_copy(update=update))
        for update in ({}, *changed)
    ]
    assert keyed[0] == keyed[3], "where the same images lie does not matter"
    assert len({*keyed, keys.parity_key(graphs, prepared.loaded, CheckOptions())}) == 4


def test_a_sweep_on_own_photos_is_not_resumed_on_others(
    clip_folder: Path, photos: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(photos, tmp_path / "photos"))
    asked = ("sweep", clip_folder, "--task", f"images:{own}", "--out", tmp_path / "x.jsonl", "--limit", "8")
    asked += ("--flops", "0.8", "--shapes", "ratio", "--metrics", "hidden", "--methods", "pitome,tome")
    asked += ("--candidates", "0.1", "--size-penalties", "0.05", "--threads", "1")
    first = pitome(*asked, "--json")
    assert first.code == 0, first.err
    assert {record["metric"] for record in first.document["records"]} == {"cosine"}
    header = json.loads((tmp_path / "x.jsonl").read_text().splitlines()[0])
    assert list(header["configuration"]["own_data"]) == [f"images:{own}"]
    chosen = sorted(own.rglob("*.png"))
    assert pitome(*asked).code == 0
    for path in chosen:
        if path.name != "cut.png":
            Image.new("RGB", (40, 30), (len(path.name), 7, 9)).save(path)
    again = pitome(*asked)
    assert again.code == 2
    assert "the file was written with another configuration: own_data" in again.message


REFUSED = [
    (("--task", "images:{tmp}/none"), "there is no folder"),
    (("--task", "texts:{tmp}"), "is a folder"),
    (("--task", "images:{tmp}"), "there is no image in it"),
    (("--inputs", "images:{tmp}"), "there is no image in it"),
    (("--inputs", "photos"), "INPUTS=photos: it is of no known form. Write images:FOLDER or texts:FILE"),
    (("--column", "body"), "only texts:FILE reads a column. Leave"),
    (("--task", "images:{tmp}", "--column", "body"), "only texts:FILE reads a column"),
    (("--task", "texts:{tmp}/a.csv"), "the model takes images. Give images:FOLDER"),
    (("--inputs", "texts:{tmp}/a.csv"), "the model takes images. Give images:FOLDER"),
]


@pytest.mark.parametrize(("options", "found"), REFUSED)
def test_what_is_refused_before_anything_is_checked(
    exported: Path, tmp_path: Path, options: tuple[str, ...], found: str
) -> None:
    (tmp_path / "a.csv").write_text("text\nhello\nyou\n")
    given = [option.format(tmp=tmp_path) for option in options]
    page = tmp_path / "page.html"
    outcome = pitome("validate", exported, *CHECKED, *given, "--report", page)
    assert outcome.code == 2
    assert found in outcome.message
    assert not page.exists()
