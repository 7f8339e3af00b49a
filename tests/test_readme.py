"""The README is run: every command and every Python example in it, on a small model where it is long."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
QUICK = ["--parity-images", "2", "--batch", "1", "--latency-seconds", "0.2"]
ONE_GRAPH = ["--precision", "fp32"]
"""Half of the export; `make engine` is run with the default."""
ONE_TARGET = ["--targets", "sm89"]
"""A quarter of a plan's time."""
SMALL_MODEL_FOR = ("clip-b16", "my-checkpoint", "vit-s14-focus", "fashion-vit", "minilm-l6")
TUNED = "build/fashion-vit.preset.toml"
ONE_POINT = shlex.split(
    "--task photos --limit 4 --methods pitome --flops 0.9 --shapes ratio --changes 0 --metrics hidden "
    "--candidates 0.1 --size-penalties 0.05"
)
"""A sweep of one setting; the small model's weights are made up, so its answers mean nothing."""
BUNDLE = "build/clip-b16-random"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small CLIP of 197 tokens and 12 layers, so that every option of the README fits it."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    folder = tmp_path_factory.mktemp("readme")
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=12,
        num_attention_heads=2,
        image_size=224,
        patch_size=16,
        projection_dim=16,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder / "small")
    return folder


def environment(workplace: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PITOME_CACHE": str(workplace / "cache"), "COLUMNS": "200"}


def reduced(command: str, workplace: Path) -> list[str]:
    """The command on the small model, in a folder of its own."""
    words = shlex.split(command)
    if words[0] == "make":
        return reduced_make(words, workplace)
    assert words[0] == "pitome", f"{command} is neither make nor pitome"
    model, out = str(workplace / "small"), str(workplace / "build")
    words = [model if word in SMALL_MODEL_FOR else word.replace(BUNDLE, f"{out}/small") for word in words]
    words = [word.replace("build/bench.jsonl", f"{out}/bench.jsonl") for word in words]
    if words[1] in ("engine", "export"):
        words += ["--out", out]
    if words[1] == "engine":
        words += QUICK + ONE_GRAPH
        words += [] if "--targets" in words else ONE_TARGET
    if words[1] == "validate":
        words += ["--parity-images", "2"]
    if words[1] == "bench":
        words += ["--latency-seconds", "0.2"]
    if words[1] == "tune":
        words += [*ONE_POINT, "--max-drop", "100", "--latency-seconds", "0.2", "--out", out]
    return words


def reduced_make(words: list[str], workplace: Path) -> list[str]:
    # This test is part of the first two; the others have run before it, or in a test of their own.
    if words[1] in ("test", "test-gpu", "plugin", "plugin-account"):
        return ["make", "--dry-run", words[1]]
    small, out = f"MODEL={workplace / 'small'}", workplace / "build"
    model = [small if word.startswith("MODEL=") and TUNED not in word else word for word in words]
    model = [f"MODEL={out}/small.preset.toml" if TUNED in word else word for word in model]
    flags = [f"OUT={out}"]
    if words[1] == "validate":
        flags.append("VALIDATE_FLAGS=--parity-images 2 --limit 4")
    if words[1] == "sweep":
        model = [word for word in model if not word.startswith(("TASK=", "LIMIT="))]
        flags.append(f"SWEEP_FLAGS={shlex.join([*ONE_POINT, '--out', f'{out}/small.sweep.jsonl'])}")
    if words[1] == "engine":
        flags.append(f"ENGINE_FLAGS={shlex.join(QUICK)}")
    # The environment that runs the tests is there already; `make setup` is what CI runs.
    ready = [f"--old-file={workplace / 'venv' / '.ready'}", f"VENV={workplace / 'venv'}"]
    (workplace / "venv" / "bin").mkdir(parents=True, exist_ok=True)
    for name in ("python", "pitome"):
        link = workplace / "venv" / "bin" / name
        if not link.exists():
            link.symlink_to(Path(sys.executable).parent / name)
    (workplace / "venv" / ".ready").touch()
    return [*model, *flags, *ready]


RESULTS = ROOT / "docs" / "results"
TABLES = {
    "README.md": ("minilm-l6", "fashion-vit", "vit-s14-focus"),
    "docs/results/README.md": ("fashion-clip",),
}


@pytest.mark.parametrize("page", TABLES)
def test_the_results_are_those_of_the_committed_records(page: str) -> None:
    """The tables between the marks are what `pitome results` prints of these files."""
    from pitome.validate.sweep.results_table import read_sweep_file, results_markdown

    files = [read_sweep_file(RESULTS / f"{name}.jsonl") for name in TABLES[page]]
    _, _, rest = (ROOT / page).read_text(encoding="utf-8").partition("<!-- results:begin -->\n")
    assert rest.partition("<!-- results:end -->")[0].strip() == results_markdown(files).strip()


def test_all_records_are_shown_and_readable() -> None:
    from pitome.validate.sweep.results_table import read_sweep_file

    shown = {name for names in TABLES.values() for name in names}
    assert {path.stem for path in RESULTS.glob("*.jsonl")} == shown
    for path in RESULTS.glob("search/*.jsonl"):
        found = read_sweep_file(path)
        assert {record.split for record in found.records} == {"validation"}, path
    for name in shown:
        found = read_sweep_file(RESULTS / f"{name}.jsonl")
        assert {record.split for record in found.records} == {"test"}, name


def test_the_readme_has_commands_and_examples() -> None:
    assert len(commands()) >= 15
    assert blocks("python")


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_every_command_runs(command: str, workplace: Path) -> None:
    """In the order of the README: the steps build on the bundle that the commands before them left."""
    if "BACKEND=tensorrt" in command and importlib.util.find_spec("tensorrt") is None:
        pytest.skip("TensorRT is not installed (extra gpu), and it needs an NVIDIA GPU")
    words = reduced(command, workplace)
    ran = subprocess.run(
        words, cwd=ROOT, env=environment(workplace), capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.returncode == 0, f"{shlex.join(words)}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("example", blocks("python"))
def test_every_python_example_runs(example: str, workplace: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", example],
        cwd=ROOT,
        env=environment(workplace),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]


def test_every_link_resolves() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    local = [target for target in targets if not target.startswith("http")]
    assert local
    for target in local:
        assert (ROOT / target).exists(), target
    for path in re.findall(
        r"`((?:pitome|export|validate|commands|plugins|tests|examples|docs)/[\w/.]*)`", README
    ):
        assert (ROOT / path).exists(), path


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in commands():
        if command.startswith("make "):
            assert re.search(rf"^{shlex.split(command)[1]}:", makefile, flags=re.MULTILINE), command
