"""Dependencies point one way, nothing lies about unused, and no file is too long to hold in mind."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.modules import LINKED, Module, by_name_in_code, internal_imports, read_modules

MODULES = read_modules()

MAY_IMPORT = {
    "core": set[str](),
    "plugins": {"core"},
    "export": {"core"},
    "validate": {"core", "export"},
    "engine": {"core", "export", "validate", "plugins"},
    "cli": {"core", "export", "validate", "engine", "plugins"},
}
"""What a part of the product may import beside itself."""
SEPARATE = ("parity", "evaluate", "bench", "sweep")
"""Folders of validate/ that know nothing of each other; what they share lies directly in validate/."""
LONGEST = 400
"""Lines of a file."""
WITHOUT_TORCH = (
    "pitome",
    "pitome.bundle",
    "pitome.cli.main",
    "pitome.models.registry",
    "pitome.plugins.tools.build",
    "pitome.runtime",
    "pitome.runtime.loading",
    "pitome.runtime.onnxruntime",
    "pitome.settings",
)
ROOTS = {
    "pitome": "what a user imports",
    "pitome.bundle": "what production imports",
    "pitome.cli.main": "the command",
    "pitome.engine": "the main job as a function",
    "pitome.runtime": "what production imports",
    "pitome.validate.gpu.report": "what `make test-gpu` writes",
    "pitome.validate.gpu.session": "what `make test-gpu` runs engines with",
}
"""Modules that nothing in here need import, and who does."""


def imports() -> list[tuple[Module, Module]]:
    return [
        (module, MODULES[name])
        for module in MODULES.values()
        for name in sorted(internal_imports(module, MODULES))
    ]


def shown(found: list[tuple[Module, Module]]) -> list[str]:
    return sorted(f"{one.name} imports {other.name}" for one, other in found)


def folder_of_validate(module: Module) -> str | None:
    parts = module.name.split(".")
    return parts[2] if parts[1:2] == ["validate"] and len(parts) > 3 else None


def test_the_source_is_read() -> None:
    """Else the other tests would pass on nothing."""
    assert {module.part for module in MODULES.values()} == MAY_IMPORT.keys()
    assert (MODULES["pitome.cli.commands"], MODULES["pitome.cli.application"]) in imports()


def test_every_folder_of_the_package_is_linked() -> None:
    for name in LINKED:
        link = ROOT / "pitome" / name
        assert link.is_symlink(), f"{link} is no link: git writes one where core.symlinks is on"
        assert link.readlink() == Path("..") / name


def test_dependencies_point_one_way() -> None:
    wrong = [
        (one, other)
        for one, other in imports()
        if one.part != other.part and other.part not in MAY_IMPORT[one.part]
    ]
    assert shown(wrong) == []


def test_the_folders_of_validate_do_not_import_each_other() -> None:
    wrong = [
        (one, other)
        for one, other in imports()
        if folder_of_validate(one) in SEPARATE
        and folder_of_validate(other) in SEPARATE
        and folder_of_validate(one) != folder_of_validate(other)
    ]
    assert shown(wrong) == []


def test_what_they_share_imports_their_records_only() -> None:
    """Else one folder would reach another by way of a file that lies directly in validate/."""
    wrong = [
        (one, other)
        for one, other in imports()
        if one.part == "validate"
        and folder_of_validate(one) is None
        and folder_of_validate(other) is not None
        and not other.name.endswith(".records")
    ]
    assert shown(wrong) == []


def test_the_report_imports_records_only() -> None:
    wrong = [
        (one, other)
        for one, other in imports()
        if folder_of_validate(one) == "report"
        and folder_of_validate(other) in SEPARATE
        and not other.name.endswith(".records")
    ]
    assert shown(wrong) == []


def test_no_module_is_out_of_reach() -> None:
    """Of a user, of a command, or of ``python -m``; that a test uses it does not count."""
    waiting = [name for name, module in MODULES.items() if name in ROOTS or module.is_script]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            module = MODULES[name]
            waiting += internal_imports(module, MODULES) | by_name_in_code(module, MODULES)
            waiting += [name.rpartition(".")[0]] if "." in name else []
    assert sorted(MODULES.keys() - reached) == []


def test_one_name_at_the_top() -> None:
    """``import validate`` is another project's package, and ``import cli`` anyone's."""
    wrong = []
    for folder in ("pitome", *LINKED, "tests", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            names = Module(path.stem, path).imported()
            wrong += [f"{path}: {name}" for name in names if name.partition(".")[0] in LINKED]
    assert not wrong


def test_nothing_looks_for_the_checkout() -> None:
    """A wheel has none: files of the package are found with importlib.resources."""
    wrong = [
        f"{module.path}:{node.lineno}"
        for module in MODULES.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name) and node.id == "__file__"
    ]
    assert not wrong


def test_no_file_is_too_long() -> None:
    kinds = (".py", ".cpp", ".cu", ".cuh", ".h", ".j2")
    long = {}
    for folder in ("pitome", *LINKED, "tests", "examples"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in kinds and path.is_file():
                lines = len(path.read_text(encoding="utf-8").splitlines())
                if lines > LONGEST:
                    long[str(path.relative_to(ROOT))] = lines
    assert not long


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_no_torch_at_import(name: str) -> None:
    code = f"import sys, {name}; print(*({{'torch', 'transformers', 'onnxruntime'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr
