"""How a field of a settings record appears to a user: as an option, a make variable, a list of a sweep.

A record's fields carry an `Option` in their annotations: ``Annotated[int, Option(...)]``. The command line,
its help, a sweep's lists and the labels of tables are made from it, so that a setting is described once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Option:
    """What a user is told of a field, and how a text becomes its value."""

    help: str
    name: str | None = None
    """Of the option, in snake case; None = the field's. ``--size-penalty`` is also SIZE_PENALTY= of make."""
    parse: Callable[[str], object] | None = None
    """Text -> value, raises ValueError with the reason; None = by the field's type."""
    choices: tuple[str, ...] = ()
    """The only texts that are taken, where these are few."""
    minimum: float | None = None
    maximum: float | None = None
    plural: str | None = None
    """Name of its list in a sweep; None = a sweep does not vary it."""
    label: str | None = None
    """How a table names a value, such as ``"penalty {}"``; None = the value alone."""
    hidden: bool = False
    """Not in the help."""
    repeated: bool = False
    """The option may be given several times; the field is a tuple."""
    argument: bool = False
    """A positional argument."""


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
