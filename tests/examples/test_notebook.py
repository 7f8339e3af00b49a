"""notebooks/quickstart.ipynb: committed without outputs, and true from its first cell to its last."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.checkout import ROOT

NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"


def code_cells() -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]


def test_it_is_a_valid_notebook_without_outputs() -> None:
    nbformat.validate(nbformat.read(NOTEBOOK, as_version=4))
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code_cells())


def test_its_links_resolve() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    links = [part.partition(")")[0].partition("#")[0] for part in text.split("](")[1:]]
    assert links
    assert all((NOTEBOOK.parent / link).exists() for link in links)


def test_it_imports_no_pytorch() -> None:
    imported = set()
    for cell in code_cells():
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    assert "pitome" in imported
    assert not imported & {"torch", "transformers"}


@pytest.mark.full
def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, by the kernel of this environment."""
    monkeypatch.setenv("PITOME_CACHE", os.environ.get("PITOME_CACHE") or str(tmp_path / "cache"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3")
    client.execute(cwd=str(tmp_path))
    printed = [
        "".join(output.get("text", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    text = "\n".join(printed)
    assert "torch imported: False" in text
    for name, label in (("bag", "bag"), ("t-shirt", "t-shirt"), ("wide-trousers", "trousers")):
        assert f"\n{name} {label} 0." in f"\n{text}"
    assert "broken.png" in text
    assert "largest difference to the vectors of one process: 0.0" in text
