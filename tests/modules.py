"""The package's modules and what each imports, read from their source: nothing is imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.checkout import ROOT

PACKAGE = "pitome"
LINKED = ("cli", "engine", "export", "plugins", "validate")
"""Folders at the top of the checkout that are linked into the package."""


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))

    @property
    def part(self) -> str:
        """Which part of the product it is of: core, or one of the linked folders."""
        if self.name == f"{PACKAGE}.__main__":  # the command line by another name
            return "cli"
        second = self.name.split(".")[1] if "." in self.name else ""
        return second if second in LINKED else "core"

    @property
    def is_script(self) -> bool:
        """Whether ``python -m`` runs it."""
        return self.name.endswith(".__main__") or 'if __name__ == "__main__":' in self.path.read_text("utf-8")

    @property
    def is_package(self) -> bool:
        """Whether it is an ``__init__.py``."""
        return self.path.name == "__init__.py"

    def imported(self) -> set[str]:
        """Every name that it imports, wherever that stands; for ``from a import b`` both a and a.b."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
        return found

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        above = self.name.split(".")
        above = above[: len(above) - node.level + self.is_package]
        return ".".join([*above, *([node.module] if node.module else [])])


def read_modules(root: Path = ROOT) -> dict[str, Module]:
    """The modules by name; those of the linked folders as the package has them."""
    folders = {root / PACKAGE: PACKAGE} | {root / name: f"{PACKAGE}.{name}" for name in LINKED}
    found = {}
    for folder, name in folders.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            if folder.name == PACKAGE and parts[0] in LINKED:
                continue
            module = ".".join([name, *(parts[:-1] if parts[-1] == "__init__" else parts)])
            found[module] = Module(module, path)
    return found


def internal_imports(module: Module, modules: dict[str, Module]) -> set[str]:
    """The modules of the package that a module imports; ``from package import name`` is the package's."""
    return {name for name in module.imported() if name in modules} - {module.name}


def by_name_in_code(module: Module, modules: dict[str, Module]) -> set[str]:
    """Modules that are loaded by a name: one in a text, and all of the package in ``f"{package}.{...}"``."""
    found: set[str] = set()
    packages: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} & modules.keys()
        elif isinstance(node, ast.JoinedStr) and ast.unparse(node).startswith("f'{__name__}."):
            packages.add(module.name)
        elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            packages.add(str(node.values[0].value).removesuffix("."))
    return found | {name for name in modules if name.rpartition(".")[0] in packages & modules.keys()}
