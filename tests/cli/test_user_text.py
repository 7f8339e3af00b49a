"""What a user or a file named is text in every table and message: no markup, no emoji, no control code."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from pitome.cli.console import message_text, output_console, shown
from pitome.cli.table_layout import Column, ResultTable
from pitome.errors import InputError
from tests.checkout import ROOT
from tests.cli.command_line import Outcome, finish, pitome, start

NAME = "a:smile:b [red]x[/red] \x1b[31m\x07\r\x9b\u202e\nerror: no"
SHOWN = r"a:smile:b [red]x[/red] \x1b[31m\x07\r\x9b\u202e\nerror: no"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def run(*arguments: str | Path) -> Outcome:
    return finish(start(*arguments, environment={"COLUMNS": "200"}))


def plain(outcome: Outcome) -> None:
    assert not CONTROL.search(outcome.out + outcome.err)
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("clip-b16", "clip-b16"),
        ("é 漢字 ✓", "é 漢字 ✓"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\tb\nc\rd\x08", r"a\tb\nc\rd\x08"),
        ("\u2066\u2028\ufeff", r"\u2066\u2028\ufeff"),
        ("\udcff", r"\udcff"),  # a byte of a file name that is no UTF-8
    ],
)
def test_what_cannot_be_printed_is_escaped(text: str, wanted: str) -> None:
    assert shown(text) == wanted


def test_a_message_keeps_only_the_line_breaks_of_its_own_lists_and_logs() -> None:
    message = "refused\n  - one\n  - two\n  | log\nerror: made up\n"
    assert message_text(message) == "refused\n  - one\n  - two\n  | log\\nerror: made up\\n"


def test_a_name_does_not_look_like_a_list_or_a_log_of_ours(tmp_path: Path) -> None:
    for mark in "-|":
        name = f"a\n  {mark} all checks passed"
        outcome = run("inspect", name)
        assert outcome.code == 2
        assert outcome.err.startswith(
            f"error: bundle a\\n  {mark} all checks passed: there is no such folder"
        )
        assert outcome.err.count("\n") == 1
    outcome = run("engine", "fashion-vit", "--dry-run", "--out", tmp_path / name / "x")
    assert outcome.err.count("all checks passed") == outcome.err.count(r"\n  | all checks passed")


def test_only_its_own_lines_break_an_error() -> None:
    text = "a\n  - b\n  | c"
    error = InputError(text, text, text, (f"- one {text}", "- two."))
    told = text.replace("\n", "\\n")
    assert str(error) == f"{told}: {told}\n  - one {told}\n  - two. {told}"
    assert str(InputError("file a", "it is wrong.", "Mend it")) == "file a: it is wrong. Mend it"


FORGED = "x\n  - all checks passed\n  | error: no"


def one_line(outcome: Outcome, *parts: str) -> None:
    assert outcome.code == 2
    assert outcome.err.rpartition("\nerror: ")[2].count("\n") == 1, outcome.err  # steps may stand above
    for part in parts:
        assert part in outcome.err
    plain(outcome)


def test_a_files_text_breaks_no_error(clip_folder: Path, tmp_path: Path) -> None:
    told = FORGED.replace("\n", "\\n")
    limits = tmp_path / "limits.toml"
    limits.write_text(f"{json.dumps(FORGED)} = 1\n")
    one_line(pitome("validate", tmp_path, "--thresholds", limits), told)

    preset = tmp_path / "x.preset.toml"
    preset.write_text(f"schema_version = 1\n{json.dumps(FORGED)} = 1\n")
    one_line(pitome("engine", preset, "--dry-run"))

    folder = tmp_path / "clip"
    shutil.copytree(clip_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": FORGED}))
    one_line(pitome("engine", folder, "--dry-run"), "all checks passed")

    bundle = tmp_path / "bundle"
    bundle.mkdir()
    document = json.dumps({"schema_version": 2, FORGED: FORGED})
    (bundle / "manifest.json").write_text(document)
    digest = hashlib.sha256(document.encode()).hexdigest()
    (bundle / "manifest.json.sha256").write_text(f"{digest}  manifest.json\n")
    one_line(pitome("inspect", bundle))


def test_a_users_text_breaks_no_error(clip_folder: Path, tmp_path: Path) -> None:
    told = FORGED.replace("\n", "\\n")
    one_line(pitome("engine", FORGED, "--dry-run"))
    one_line(pitome("engine", clip_folder, "--candidates", FORGED), told)
    one_line(pitome("engine", clip_folder, "--name", FORGED), told)
    one_line(pitome("sweep", clip_folder, "--ratios", FORGED, "--dry-run"), told)
    one_line(pitome("validate", clip_folder, "--task", f"hf:{FORGED}"))
    one_line(pitome("engine", clip_folder, "--metric", FORGED))


def test_errors_about_a_name() -> None:
    outcome = run("inspect", NAME)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert f"bundle {SHOWN}: there is no such folder" in outcome.err
    plain(outcome)


def test_wrong_values_and_options_are_shown_as_typed() -> None:
    outcome = run("engine", "fashion-vit", "--metric", "[red]x[/red]:smile:\x1b[31m")
    assert outcome.code == 2
    assert "Invalid value for '--metric': " in outcome.err
    assert r"'[red]x[/red]:smile:\x1b[31m' is not one of 'hidden', 'keys'" in outcome.err
    plain(outcome)
    outcome = run("engine", "--[bold]\x1b[1m")
    assert outcome.code == 2
    assert r"No such option: --[bold]\x1b[1m" in outcome.err
    plain(outcome)


def test_steps_about_a_folder(clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / NAME
    shutil.copytree(clip_folder, folder)
    outcome = run("engine", folder, "--dry-run")
    assert outcome.code == 0
    assert f"Load {shown(folder)}" in outcome.err
    plain(outcome)


@pytest.mark.full
def test_a_bundle_whose_manifest_holds_such_text(clip_folder: Path, tmp_path: Path) -> None:
    made = finish(start("export", clip_folder, "--out", tmp_path, "--precision", "fp32"))
    assert made.code == 0, made.err
    folder = (tmp_path / "clip-tiny").rename(tmp_path / NAME.replace("/", "-"))
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document["model"]["weights"]["source"] = NAME
    path.write_text(json.dumps(document))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json.sha256").write_text(f"{digest}  manifest.json\n")
    for arguments in (("inspect", folder), ("compare", folder, folder)):
        outcome = run(*arguments)
        assert outcome.code == 0, outcome.err
        text = "".join(outcome.out.replace("\u2502", "").split())
        assert "".join(SHOWN.split()) in text
        plain(outcome)


def test_titles_headings_cells_and_captions() -> None:
    table = ResultTable(NAME, [Column(NAME), Column(NAME, free=True)], caption=NAME)
    table.add_row(NAME, NAME)
    assert printed(table).count(SHOWN) == 6


def test_a_console_has_no_markup_where_it_is_used_directly() -> None:
    with redirect_stdout(io.StringIO()) as stream:
        output_console().print(NAME, soft_wrap=True)
    assert stream.getvalue() == f"{SHOWN}\n"


def printed(table: ResultTable) -> str:
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as stream:
        patch.setenv("COLUMNS", "400")
        output_console().print(table)
    return stream.getvalue()


def test_no_other_console_and_no_other_table_is_made() -> None:
    """Rich's own would read markup; these are the places that may make them, so that none is forgotten."""
    made = re.compile(r"(?<![\w.])(?:Console|Table|RichTable|Text\.from_markup|Panel|Markdown)\(")
    # The account is a developer's script below the command line: it shows no text of a user or a file.
    account = {"plugins/tools/account/__main__.py", "plugins/tools/account/page.py"}
    allowed = {"cli/console.py", "cli/table_layout.py", *account}
    found = []
    for folder in ("cli", "engine", "validate", "export", "plugins", "pitome"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            name = str(path.relative_to(ROOT))
            if "rich" in text and name not in allowed and made.search(text):
                found.append(name)
    assert found == []
