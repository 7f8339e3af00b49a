"""Options in messages, as the user typed them: ``--ratio 1.5`` on a command line, ``RATIO=1.5`` for make.

The core writes its messages with make's names, ``RATIO=1.5``. Which names are options is asked of the
commands themselves, and which of them make has is told by the Makefile, in an environment variable.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from typer.core import TyperArgument, TyperCommand, TyperOption

MAKE_VARIABLES = "PITOME_MAKE_VARIABLES"
"""The environment variable in which make says which of its variables become options."""


def as_typed(text: str, options: Mapping[str, str], words: Collection[str]) -> str:
    """A message with every option named as the user names it.

    Args:
        text: names options as ``RATIO=1.5``, ``OUT=`` or ``RATIO``.
        options: name there -> name on the command line, as of `option_names`.
        words: the command line; where a message repeats one of them, it stays as it is.
    """
    of_make = os.environ.get(MAKE_VARIABLES, "").split()
    renamed = {name: option for name, option in options.items() if name not in of_make}
    if not renamed:
        return text
    # What was typed, and where, comes first, as far as it could be taken for one of ours.
    name = _pattern(renamed)
    known = {*words, *_working_folder()}
    typed = sorted({word for word in known if name.search(word)}, key=len, reverse=True)
    below = _below(renamed)
    own = rf"(?:{'|'.join(map(re.escape, typed)) or '(?!)'})(?:{below})?|(?<![\w/.])\.{{0,2}}{below}"

    def rename(found: re.Match[str]) -> str:
        if found["own"] is not None:
            return found["own"]
        option = renamed[found["name"]]
        return f"{option} " if found["value"] else option

    return re.sub(f"(?P<own>{own})|{name.pattern}", rename, text)


def _pattern(names: Collection[str]) -> re.Pattern[str]:
    """``NAME=value``, ``NAME=`` without one, or the bare ``NAME``; in no path, word, notation or quotes."""
    any_name = "|".join(sorted(names, key=len, reverse=True))
    return re.compile(
        rf"(?<![\w/.=:\[\-'\"])(?P<name>{any_name})"
        r"(?:=(?=[,.;:)`]*(?:\s|$))|(?P<value>=)|(?![\w/=@'\"\[\]-]|[.:]\w))"
    )


def _below(names: Collection[str]) -> str:
    """What follows in a path, which may hold spaces: up to a mark of our sentences or our ``NAME=``."""
    return rf"/(?:(?!\.(?:\s|$)|\s(?:{'|'.join(names)})=)[^:,;()`'\"\n])+"


def _working_folder() -> set[str]:
    """Its paths: messages write a relative path from the root. Empty where the folder was removed."""
    with suppress(OSError):
        return {os.getcwd(), os.environ.get("PWD", "")}
    return set()


def option_names(commands: Iterable[TyperCommand]) -> dict[str, str]:
    """Make's way to write an option -> the option, for everything with a value in these commands."""
    found: dict[str, str] = {}
    for command in commands:
        for parameter in command.params:
            if isinstance(parameter, TyperArgument):
                name = str(parameter.name).upper()
                found[name] = name
            elif isinstance(parameter, TyperOption) and not parameter.is_flag:
                option = max(parameter.opts, key=len)
                found[option.removeprefix("--").replace("-", "_").upper()] = option
    return found
