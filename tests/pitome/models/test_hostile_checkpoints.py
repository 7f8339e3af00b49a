"""Every MODEL of the table ends in one message with exit code 2, and leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pitome.errors import InputError
from pitome.models.loading import load_model
from tests.cli.command_line import pitome
from tests.pitome.models.hostile.makers import with_config, write_bases
from tests.pitome.models.hostile_checkpoints import CASES, SECTIONS
from tests.shared import shared_folder

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
"""PyTorch's own, over tensors of kinds that it will drop."""
TRAP = Path("/tmp/pitome-hostile-pickle-was-run")


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "hostile-bases", write_bases)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def test_names_are_unique() -> None:
    assert len(CASES) == sum(map(len, SECTIONS.values()))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["", "config.json", "model.safetensors"])
def test_what_may_not_be_read(name: str, bases: Path, folder: Path) -> None:
    path = with_config()(bases, folder) / name
    path.chmod(0)
    try:
        with pytest.raises(InputError, match=r"can't be (read|looked at) ") as refused:
            load_model(str(folder))
    finally:
        path.chmod(0o700)
    assert "Permission denied" in str(refused.value)


@pytest.mark.parametrize("name", CASES)
def test_loading_refuses_it_with_what_was_found_and_the_way_out(name: str, bases: Path, folder: Path) -> None:
    case = CASES[name]
    with pytest.raises(InputError) as refused:
        load_model(str(case.make(bases, folder)))
    assert case.found in f"{refused.value.asked}: {refused.value.found}"
    assert case.remedy in f"{refused.value.found}. {refused.value.remedy}"
    assert not TRAP.exists()


SOME = {name for cases in SECTIONS.values() for name in [case.name for case in cases][::8]}
"""Of each section; the way from the error to the terminal is the same for all."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SOME else pytest.mark.full) for name in CASES]
)
def test_the_command_ends_in_one_message_and_leaves_nothing(name: str, bases: Path, folder: Path) -> None:
    case = CASES[name]
    model = case.make(bases, folder)
    before = sorted(folder.rglob("*"))
    outcome = pitome("engine", model, "--dry-run", "--out", folder.parent / "build")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.message.count("error: ") == 1
    assert "Traceback" not in outcome.err
    assert sorted(folder.rglob("*")) == before
    assert sorted(folder.parent.iterdir()) == [folder]
