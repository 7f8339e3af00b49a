"""The README is true: its links, its commands and examples; docs/results shows the records that it has."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pitome.validate.sweep.results_table import read_sweep_file, results_markdown
from tests.checkout import ROOT
from tests.command_options import parse
from tests.examples.cpp_program import EXAMPLES, run_bundle
from tests.make_dry_run import pitome_runs
from tests.readme_commands import BUNDLE, PROGRAM, PYTHON, README, TUNED, Workplace, blocks, commands
from tests.shared import shared_folder

__all__ = ["run_bundle"]

LINES = 160
RESULTS = ROOT / "docs" / "results"
MODELS = ("minilm-l6", "fashion-vit", "vit-s14-focus", "fashion-clip")
MARKED = {"rules": tuple(f"rules-{name}" for name in MODELS), "results": MODELS}
"""Files of records, by the marks that their tables stand between."""
IN_ORDER = tuple(name for names in MARKED.values() for name in names)
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/results/README.md",
    "docs/DESIGN.md",
    "docs/containers.md",
    "docs/embed.md",
    "examples/cpp/README.md",
    "plugins/onnxruntime/README.md",
    "docs/gpu.md",
)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < LINES


def test_the_readme_has_commands_and_examples() -> None:
    assert len(commands()) >= 15
    assert blocks("python")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_resolves(page: str) -> None:
    path = ROOT / page
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert target.startswith("http") or (path.parent / target).exists(), target
    folders = "pitome|export|validate|engine|cli|plugins|tests|examples|docs|docker|notebooks"
    for named in re.findall(rf"`((?:{folders})/[\w/.]*)[^`]*`", text):
        assert (ROOT / named).exists() or f"+++ b/{named}\n" in of_recipes(), named


def of_recipes() -> str:
    """The patches of CONTRIBUTING's recipes, which make files that the page names."""
    patches = (ROOT / "tests" / "recipes").glob("*.patch")
    return "".join(patch.read_text(encoding="utf-8") for patch in patches)


@pytest.mark.parametrize("command", commands())
def test_every_command_is_understood(command: str) -> None:
    """Its targets, options and values exist; `make test-full` runs it."""
    words = shlex.split(command)
    if words[0] == "pitome":
        assert parse(words[1:])
    elif words[0] == PYTHON:
        assert words[1] == "-c"
        compile(words[2], command, "exec")
    elif words[0] == PROGRAM:
        known = (EXAMPLES / "onnxruntime" / "main.cpp").read_text(encoding="utf-8")
        assert all(f"  {word} " in known for word in words if word.startswith("--"))
    else:
        assert all(parse(arguments) for arguments in pitome_runs(*words[1:]))


@pytest.mark.parametrize("mark", MARKED)
def test_the_results_are_those_of_the_committed_records(mark: str) -> None:
    """The tables between the marks are what `pitome results` prints of these files."""
    files = [read_sweep_file(RESULTS / f"{name}.jsonl") for name in MARKED[mark]]
    _, _, rest = (RESULTS / "README.md").read_text(encoding="utf-8").partition(f"<!-- {mark}:begin -->\n")
    assert rest.partition(f"<!-- {mark}:end -->")[0].strip() == results_markdown(files).strip()


def test_all_records_are_shown_and_readable() -> None:
    assert {path.stem for path in RESULTS.glob("*.jsonl")} == set(IN_ORDER)
    for path in RESULTS.glob("search/*.jsonl"):
        assert {record.split for record in read_sweep_file(path).records} == {"validation"}, path
    for name in IN_ORDER:
        found = read_sweep_file(RESULTS / f"{name}.jsonl")
        assert {record.split for record in found.records} == {"test"}, name


def run(words: list[str], workplace: Workplace) -> None:
    ran = subprocess.run(
        words,
        cwd=ROOT,
        env=workplace.environment,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert ran.returncode == 0, f"{shlex.join(words)}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"


def command_of(beginning: str) -> str:
    return next(command for command in commands() if command.startswith(beginning))


@pytest.fixture(scope="session")
def after_the_first_commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP of 197 tokens and 12 layers, so that every option of the README fits it, its bundle, and a
    preset file that was tuned on it."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    def make(folder: Path) -> None:
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
        workplace = Workplace(folder / "small", folder / "build")
        run(workplace.reduced(command_of("make engine MODEL=clip-b16")), workplace)
        run(workplace.reduced(command_of("pitome tune")), workplace)

    return shared_folder(tmp_path_factory, "readme", make)


@pytest.fixture
def workplace(after_the_first_commands: Path, tmp_path: Path) -> Workplace:
    shutil.copytree(after_the_first_commands / "cache", tmp_path / "cache")
    (tmp_path / "small").symlink_to(after_the_first_commands / "small")  # where a copied bundle looks for it
    return Workplace(after_the_first_commands / "small", tmp_path / "build")


@pytest.mark.full
@pytest.mark.parametrize("command", commands())
def test_every_command_runs(
    command: str, workplace: Workplace, after_the_first_commands: Path, run_bundle: Path
) -> None:
    """Each by itself: what the README's commands before it have left is there where it names it."""
    workplace.make_pictures()
    (workplace.out.parent / "run_bundle").symlink_to(run_bundle)
    if "BACKEND=tensorrt" in command and importlib.util.find_spec("tensorrt") is None:
        pytest.skip("TensorRT is not installed (extra gpu), and it needs an NVIDIA GPU")
    if BUNDLE in command or TUNED in command or command.startswith("make validate"):
        shutil.copytree(after_the_first_commands / "build", workplace.out)
    run(workplace.reduced(command), workplace)


def test_a_bundle_is_used_in_five_commands() -> None:
    """From nothing to embeddings in Python, in C++ and of a folder."""
    _, _, section = README.partition("### Use a bundle\n")
    block = section.partition("```sh\n")[2].partition("```")[0].splitlines()
    assert len(block) == 5
    assert [line.split()[0] for line in block] == ["make", PYTHON, "make", PROGRAM, "pitome"]
    assert set(block) <= set(commands())


@pytest.mark.full
@pytest.mark.parametrize("example", blocks("python"))
def test_every_python_example_runs(
    example: str, workplace: Workplace, after_the_first_commands: Path
) -> None:
    if BUNDLE in example:
        shutil.copytree(after_the_first_commands / "build", workplace.out)
    bundle = str(workplace.out / workplace.model.name)
    run([sys.executable, "-c", example.replace(BUNDLE, bundle)], workplace)
