"""Errors as a person and as a program read them."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any

from rich.text import Text

from pitome.cli.console import PlainConsole, message_text
from pitome.cli.streams import printing
from pitome.errors import PitomeError


def print_error(text: str, exit_code: int, as_json: bool) -> None:
    """One error on stderr, and as a JSON document on stdout where that was asked for."""
    with suppress(OSError):  # a terminal that is gone, or a full disk; the exit code still says it
        console = PlainConsole(stderr=True)
        console.print(Text(f"error: {message_text(text)}"), style="bold red", soft_wrap=True)
    if as_json:
        with suppress(PitomeError), printing():
            print_json({"error": text, "exit_code": exit_code})


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")
