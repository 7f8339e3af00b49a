"""The command that stands for options: what a manifest says where nothing was typed."""

from __future__ import annotations

import shlex
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

from pitome.option import option_text, options_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def command_of(verb: str, options: DataclassInstance) -> str:
    """``pitome VERB`` with every option that differs from its default, for a POSIX shell.

    Args:
        verb: such as "engine".
        options: a record of options, or of such records.
    """
    words: dict[str, list[str]] = {}
    _add_words(words, options)
    return shlex.join(["pitome", verb, *(word for given in words.values() for word in given)])


def _add_words(words: dict[str, list[str]], options: DataclassInstance) -> None:
    described = options_of(type(options))
    for each in fields(options):
        value = getattr(options, each.name)
        if is_dataclass(value) and not isinstance(value, type):
            _add_words(words, value)
        option = described.get(each.name)
        if option is None or value == each.default:
            continue
        name, text = option_text(each.name, option, value)
        flag = f"--{name.replace('_', '-')}"
        if option.argument:
            words[name] = [text]
        elif option.repeated:
            words[name] = [word for item in value for word in (flag, str(item))]
        elif value is True and option.parse is None:
            words[name] = [flag]
        else:
            words[name] = [flag, text]
