"""Errors as a person and as a program read them."""

from __future__ import annotations

import json
import re
import sys
from contextlib import suppress
from typing import Any

from pitome.cli.console import PlainConsole, shown
from pitome.cli.streams import printing
from pitome.errors import PitomeError

_LIST_OR_LOG = re.compile(r"(\n(?=  [-|] ))")
"""The line breaks of our own messages: what follows is an indented list, or the end of a log."""


def message_text(text: object) -> str:
    """A message in one line, but for the lists and logs that it ends with."""
    return "".join(
        part if part == "\n" else shown(part) for part in _LIST_OR_LOG.split(str(text).replace("\r\n", "\n"))
    )


def print_error(text: str, exit_code: int, as_json: bool) -> None:
    """One error on stderr, and as a JSON document on stdout where that was asked for."""
    with suppress(OSError):  # a terminal that is gone, or a full disk; the exit code still says it
        console = PlainConsole(stderr=True)
        console.print(f"error: {message_text(text)}", style="bold red", soft_wrap=True)
    if as_json:
        with suppress(PitomeError), printing():
            print_json({"error": text, "exit_code": exit_code})


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")
