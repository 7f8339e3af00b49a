"""docker/: linted, not root, and carried out in an empty Debian. No image was built: there is no docker."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.checkout import ROOT
from tests.docker.dockerfile import Stage, read_dockerfile
from tests.docker.empty_system import EmptySystem, Settings, make_debian, why_not
from tests.examples.ppm import noise
from tests.shared import shared_folder
from tests.trees import copy_of_the_checkout

FILES = sorted((ROOT / "docker").glob("Dockerfile.*"))
HADOLINT = Path(sys.executable).parent / "hadolint"


def test_there_is_one_to_build_and_one_to_use() -> None:
    assert [file.name for file in FILES] == ["Dockerfile.build", "Dockerfile.use"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    done = subprocess.run([HADOLINT, file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /tmp\n", encoding="utf-8")
    done = subprocess.run([HADOLINT, tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DL3003" in done.stdout
    assert "DL3006" in done.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_image_runs_pitome_and_not_as_root(file: Path) -> None:
    last = read_dockerfile(file)[-1]
    assert last.user == "1000:1000"  # a number: what starts images can tell that it is not root
    assert json.loads(last.last("ENTRYPOINT"))[0].endswith("/bin/pitome")
    assert json.loads(last.last("CMD")) == ["--help"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_base_without_a_digest_says_why(file: Path) -> None:
    bases = {stage.base for stage in read_dockerfile(file)}
    assert bases == {"debian:bookworm-slim"}
    assert "not pinned by its digest: no registry could be reached" in file.read_text(encoding="utf-8")


def test_what_is_left_out_is_nothing_that_is_tracked() -> None:
    """.dockerignore and git leave out the same: what an image is built from is a checkout."""
    left_out = [
        line.removeprefix("**/")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        parts = Path(name).parts
        assert not any(Path(part).match(pattern) for part in parts for pattern in left_out), name


# --- carried out --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty Debian, to be copied."""
    if reason := why_not():
        pytest.skip(f"no empty system: {reason}")
    return shared_folder(
        tmp_path_factory, "debian", lambda folder: make_debian(folder / "root", "bookworm", folder / "work")
    )


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return copy_of_the_checkout(tmp_path / "context")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where systems of a gigabyte lie; pytest would keep them."""
    yield tmp_path / "systems"
    shutil.rmtree(tmp_path / "systems", ignore_errors=True)


def carried_out(stages: list[Stage], debian: Path, context: Path, place: Path) -> EmptySystem:
    """The system that the last stage leaves. PIP_FLAGS is empty: the index here has PyTorch for a CPU."""
    roots: dict[str, Path] = {}
    for number, stage in enumerate(stages):
        root = place / str(number)
        root.parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "--archive", debian / "root", root], check=True)
        system = EmptySystem(root, Settings.of_this_machine())
        system.carry_out(stage, context, roots, {"PIP_FLAGS": ""})
        roots[stage.name or str(number)] = root
    return system


def started(system: EmptySystem, stage: Stage, *words: str) -> str:
    """What the image prints when it is started with these words."""
    return system.run([*json.loads(stage.last("ENTRYPOINT")), *words])


@pytest.mark.full
def test_the_image_for_use_embeds_pictures_without_pytorch(debian: Path, context: Path, place: Path) -> None:
    import pyarrow.parquet as parquet

    import pitome

    stages = read_dockerfile(ROOT / "docker" / "Dockerfile.use")
    system = carried_out(stages, debian, context, place)
    assert system.run(["id", "--user"]) == "1000\n"
    assert "clip-b16" in started(system, stages[-1], "models")
    found = "from importlib.util import find_spec as f; print(f('torch'), f('onnxruntime') is None)"
    assert system.run(["/opt/pitome/bin/python", "-c", found]) == "None False\n"

    export = [sys.executable, "-m", "pitome", "export", "fashion-vit", "--precision", "fp32", "--out", place]
    subprocess.run(export, check=True, capture_output=True)
    shutil.copytree(place / "fashion-vit", system.inside("/bundle"))
    photos = system.inside("/photos")
    photos.mkdir()
    for seed, name in enumerate(("one.png", "two.jpg")):
        Image.fromarray(noise(60, 40, seed=seed)).save(photos / name)
    (photos / "broken.png").write_bytes(b"no picture")
    started(system, stages[-1], "embed", "/bundle", "/photos", "--out", "/home/pitome/embeddings")
    out = system.inside("/home/pitome/embeddings")
    table = parquet.read_table(sorted(out.glob("shard-*.parquet")))
    assert [Path(name).name for name in table["id"].to_pylist()] == ["one.png", "two.jpg"]
    assert [Path(name).name for name in parquet.read_table(out / "errors.parquet")["id"].to_pylist()] == [
        "broken.png"
    ]
    with pitome.load(place / "fashion-vit") as bundle:
        wanted = bundle.images([photos / "one.png", photos / "two.jpg"])
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), wanted)


@pytest.mark.full
def test_the_image_for_building_builds_a_bundle(debian: Path, context: Path, place: Path) -> None:
    stages = read_dockerfile(ROOT / "docker" / "Dockerfile.build")
    system = carried_out(stages, debian, context, place)
    options = [
        "--native",
        "auto",
        "--parity-images",
        "2",
        "--batch",
        "1",
        "--latency-seconds",
        "0.2",
        "--targets",
        "sm89",
    ]
    started(system, stages[-1], "engine", "fashion-vit", "--out", "/bundles", *options)
    bundle = system.inside("/bundles/fashion-vit")
    assert (bundle / "manifest.json").is_file()
    assert (bundle / "libpitome_onnxruntime.so").is_file()  # built with the image, not by this build
    assert bundle.stat().st_uid == 1000
