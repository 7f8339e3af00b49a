"""How a field of a settings record appears to a user: as an option, a make variable, a list of a sweep.

A record's fields carry an `Option` in their annotations: ``Annotated[int, Option(...)]``. The command line,
its help, a sweep's lists and the labels of tables are made from it, so that a setting is described once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Literal, get_args, get_origin, get_type_hints

from pitome.errors import InputError
from pitome.value_types import has_type, plain, told_type

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Alias:
    """Another name of the same field, for values of one kind: PROTECT=0.1 is CANDIDATES for a fraction."""

    name: str
    help: str
    parse: Callable[[str], object]
    """Text -> the field's value, raises ValueError with the reason."""
    says: Callable[[object], bool]
    """Whether a value of the field is given by this name."""


@dataclass(frozen=True)
class Option:
    """What a user is told of a field, and how a text becomes its value."""

    help: str
    name: str | None = None
    """Of the option, in snake case; None = the field's. ``--size-penalty`` is also SIZE_PENALTY= of make."""
    parse: Callable[[str], object] | None = None
    """Text -> value, raises ValueError with the reason; None = by the field's type."""
    format: Callable[[object], str] | None = None
    """Value -> the text that ``parse`` takes; None = ``str``."""
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()
    """The only texts that are taken, where these are few; a function where they must be looked up. Read them
    as ``allowed``."""
    minimum: float | None = None
    maximum: float | None = None
    plural: str | None = None
    """Name of its list in a sweep; None = a sweep does not vary it."""
    label: Callable[[object], str] | None = None
    """How a table names a value; an empty text leaves it out. None = the value alone."""
    label_own: bool = True
    """A table names a value that is the method's own, too."""
    aliases: tuple[Alias, ...] = ()
    """Further options that set this field; at most one of all its names may be given."""
    hidden: bool = False
    """Not in the help."""
    repeated: bool = False
    """The option may be given several times; the field is a tuple."""
    argument: bool = False
    """A positional argument."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """``choices``, looked up where they are a function."""
        return self.choices() if callable(self.choices) else self.choices

    def told(self, value: object) -> str:
        """How a table names a value."""
        return str(value) if self.label is None else self.label(value)


def options_of(record: type[DataclassInstance]) -> dict[str, Option]:
    """Field name -> option, in the record's order, of the fields that have one in their annotation."""
    found: dict[str, Option] = {}
    hints = get_type_hints(record, include_extras=True)
    for each in fields(record):
        for described in getattr(hints[each.name], "__metadata__", ()):
            if isinstance(described, Option):
                found[each.name] = described
    return found


def option_name(field_name: str, described: Option) -> str:
    """The name in snake case that command line and make derive theirs from."""
    return described.name or field_name


def option_text(field_name: str, described: Option, value: object) -> tuple[str, str]:
    """(name, text) of the option that gives a value: ("protect", "0.1"), ("margin", "0.9,0.9")."""
    name = next((alias.name for alias in described.aliases if alias.says(value)), None)
    text = str(value) if described.format is None else described.format(value)
    return name or option_name(field_name, described), text


def read_value(record: type[DataclassInstance], field_name: str, text: str) -> object:
    """A text, as a user types it for a field, as the field's value; aliases are not looked at.

    Raises:
        ValueError: it is none; the message is the reason.
    """
    described = options_of(record)[field_name]
    if described.parse is not None:
        value = described.parse(text)
    else:
        value = _by_type(get_type_hints(record)[field_name], text)
    if described.allowed and text not in described.allowed:
        raise ValueError(f"{text!r} is none of {', '.join(described.allowed)}")
    reason = _out_of_range(described, value)
    if reason:
        raise ValueError(reason)
    return value


def check_fields(record: DataclassInstance) -> None:
    """Refuse (InputError) values that a record's options do not allow.

    None stands for "not chosen", where the field's type has it. A list becomes a tuple, and any number one of
    Python's.
    """
    hints = get_type_hints(type(record))
    for name, described in options_of(type(record)).items():
        given, option = getattr(record, name), option_name(name, described).upper()
        value = plain(tuple(given) if isinstance(given, list | range) else given)
        if value is not given:
            object.__setattr__(record, name, value)  # the record is frozen, and only being made
        # Names that are looked up are checked where they are looked up.
        if isinstance(value, str) and not callable(described.choices) and described.choices:
            if value not in described.choices:
                choices = ", ".join(described.choices)
                raise InputError(f"{option}={value}", f"the choices are {choices}", "Choose one of these")
        elif not has_type(value, hints[name]):
            raise wrong_type(option, value, hints[name])
        reason = None if value is None else _out_of_range(described, value)
        if reason:
            asked = f"{option}={option_text(name, described, value)[1]}"
            raise InputError(asked, reason, f"Give {_range(described)}")


def wrong_type(name: str, value: object, hint: object) -> InputError:
    """The refusal of a value that is not of the type that an option or an argument has."""
    if isinstance(value, str):
        return InputError(f"{name}={value}", f"it is the text {value!r}", f"Give {told_type(hint)}")
    found = f"its type is {type(value).__name__}"
    return InputError(f"{name}={value!r}", found, f"Give {told_type(hint)}")


def named(names: Collection[str]) -> str:
    """Names as a sentence has them: "a", "a and b", "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _out_of_range(described: Option, value: object) -> str | None:
    if isinstance(value, tuple) and described.repeated:
        return next((reason for each in value if (reason := _out_of_range(described, each))), None)
    if not isinstance(value, float | int) or (described.minimum is None and described.maximum is None):
        return None
    low = -math.inf if described.minimum is None else described.minimum
    high = math.inf if described.maximum is None else described.maximum
    infinite = isinstance(value, float) and not math.isfinite(value)
    return None if low <= value <= high and not infinite else f"not {_range(described)}"


def _range(described: Option) -> str:
    if described.maximum is None:
        return f"a number from {_limit(described.minimum)} up"
    if described.minimum is None:
        return f"a number up to {_limit(described.maximum)}"
    return f"a number from {_limit(described.minimum)} to {_limit(described.maximum)}"


def _limit(value: float | None) -> str:
    """Whole limits with all their digits."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def _by_type(hint: object, text: str) -> object:
    """A text as a value of str, int, float or a Literal of texts, each with or without None."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    members = [each for each in get_args(hint) if each is not NoneType] or [hint]
    kind = hint if get_origin(hint) is Literal else members[0]
    if kind is str or get_origin(kind) is Literal:
        return text
    if kind is int or kind is float:
        try:
            return int(text) if kind is int else float(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a number") from None
    raise TypeError(f"a field of type {hint} needs a parse function")
