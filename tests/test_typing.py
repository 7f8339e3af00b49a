"""Types are seen across the package's folders, and by who uses the package."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.checkout import ROOT
from tests.modules import read_modules
from tests.trees import copy_of_the_checkout

PLANTED = '''"""Calls a function of export with the wrong type."""

from pathlib import Path

from pitome.runtime.plans.plan_header import read_plan_version


def right(plan: Path) -> str:
    return read_plan_version(plan)


def wrong() -> int:
    return read_plan_version(3)
'''
SNIPPET = """
import pitome
from pitome import MergeParameters, TokenSchedule
from torch import nn

def use(model: nn.Module, schedule: TokenSchedule) -> None:
    compressed = pitome.compress(model, schedule)
    reveal_type(compressed)
    reveal_type(compressed.compression.schedule.num_merged)
    reveal_type(pitome.load_model("fashion-vit").model)
    reveal_type(MergeParameters(num_merged=2, num_candidates=8).margin)
    reveal_type(pitome.__version__)
    pitome.compress(model, ratio="0.9")
    pitome.nonsense
"""


def mypy(folder: Path, settings: Path, *arguments: str) -> str:
    """What it says of the arguments alone, with the project's settings, run in a folder.

    It shares the cache that `make lint` fills: without it, PyTorch is read again.
    """
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    settings.write_text(text.replace('packages = ["pitome"]\n', ""), encoding="utf-8")
    words = [sys.executable, "-m", "mypy", "--config-file", settings, "--cache-dir", ROOT / ".mypy_cache"]
    return subprocess.run(
        [*words, *arguments], cwd=folder, capture_output=True, text=True, check=False
    ).stdout


def test_an_error_across_the_border_of_two_folders_is_found(tmp_path: Path) -> None:
    """With setuptools' package-dir in place of the links, mypy passed here."""
    tree = copy_of_the_checkout(tmp_path / "tree")
    (tree / "validate" / "planted.py").write_text(PLANTED, encoding="utf-8")
    said = mypy(tree, tmp_path / "settings.toml", "--module", "pitome.validate.planted")
    assert re.findall(r"planted\.py:(\d+): error: (.+)  \[", said) == [
        ("13", 'Incompatible return value type (got "str", expected "int")'),
        ("13", 'Argument 1 to "read_plan_version" has incompatible type "int"; expected "Path"'),
    ], said


def test_a_users_code_sees_the_types_of_the_public_names(tmp_path: Path) -> None:
    said = mypy(ROOT, tmp_path / "settings.toml", "--command", SNIPPET)
    found = re.findall(r"<string>:\d+: (\w+): (.+?)(?:  \[.+)?$", said, flags=re.MULTILINE)
    assert [text for kind, text in found if kind == "note"] == [
        'Revealed type is "pitome.compressed_model.CompressedModel"',
        'Revealed type is "tuple[int, ...]"',
        'Revealed type is "torch.nn.modules.module.Module"',
        'Revealed type is "float"',
        'Revealed type is "str"',
    ], said
    assert [text for kind, text in found if kind == "error"] == [
        'Argument "ratio" to "compress" has incompatible type "str"; expected "float | None"',
        'Module has no attribute "nonsense"',
    ], said


def test_no_module_may_say_any_without_need() -> None:
    """Those that pyproject.toml excepts from disallow_any_explicit; mypy refuses the word in all others, and
    the alias `Array`, which holds it, in the fields of a dataclass."""
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"][
        "overrides"
    ]
    excepted = [
        name for each in overrides if each.get("disallow_any_explicit") is False for name in each["module"]
    ]
    using = [
        name
        for name, module in read_modules().items()
        if re.search(r"\b(Any|Array)\b", module.path.read_text())
    ]
    assert [name for name in excepted if not fnmatch.filter(using, name)] == []
