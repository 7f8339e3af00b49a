"""A setting is described once: few files know one by name, and the rest goes through its Option."""

from __future__ import annotations

import re

from tests.checkout import ROOT

FOLDERS = ("pitome", "export", "validate", "engine", "cli")
SETTING = "size_penalty"
OPERATOR = {
    "pitome/merge.py",
    "pitome/parameters.py",
    "pitome/op.py",
    "export/body_parts.py",
    "export/function.py",
    "export/merge_nodes.py",
}
"""The operator's own files: there it is an attribute of the node."""
KNOWS = {
    "pitome/settings.py": "describes it",
    "pitome/methods/energy.py": "hands it to the operator",
    "pitome/methods/pitome.py": "has its own value of it",
    "validate/sweep/grid.py": "lists the values that a sweep tries",
}
COMPARED = re.compile(r'(method|name) (==|!=|in \() ?"(none|random|tome|paper|authors|pitome)"')


def sources() -> dict[str, str]:
    """Text by path, of every Python file but the tests' and the plugins'."""
    paths = {path.resolve() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    names = {str(path.relative_to(ROOT.resolve())): path for path in paths}
    return {name: path.read_text("utf-8") for name, path in names.items() if not name.startswith("plugins/")}


def test_few_files_name_a_setting() -> None:
    found = sources()
    assert len(found) > 100
    assert {name for name, text in found.items() if SETTING in text} - OPERATOR == set(KNOWS)


def test_the_names_of_methods_are_compared_nowhere() -> None:
    """What a method does is asked of its class."""
    compared = {name: COMPARED.search(text) for name, text in sources().items()}
    assert {name: match[0] for name, match in compared.items() if match} == {}
