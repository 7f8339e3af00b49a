"""Records of options as options of a command: typer wants one parameter for each, and takes no dataclass."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args, get_type_hints

import typer

from pitome.cli.application import run
from pitome.cli.display import Display
from pitome.errors import InputError, PitomeError
from pitome.option import Alias, Option, option_name, option_text, options_of
from pitome.settings import parse_switch

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from pitome.cli.application import Result

Values = Mapping[str, Any]
"""What typer read, by the names of the parameters."""
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Bundle = Annotated[Path, typer.Argument(help="Folder that `pitome engine` wrote.")]


@dataclass(frozen=True)
class Given:
    """Which options stand on the command line, by their names in snake case."""

    names: frozenset[str]

    def of(self, record: type[DataclassInstance]) -> tuple[str, ...]:
        """The fields of a record of options that one of them sets."""
        return tuple(
            name
            for name, described in options_of(record).items()
            if self.names.intersection(_names(name, described))
        )


def expand(command: Callable[..., None]) -> Callable[..., None]:
    """Turn each parameter that is a record of options into these options, grouped in the help by record.

    A record's fields that are records themselves are expanded too. A parameter of type `Given` is told what
    stands on the command line; the others stay as they are. A value that a record refuses is told as the
    errors of the command's work are.
    """
    hints = get_type_hints(command, include_extras=True)
    del hints["return"]
    records = {name: hint for name, hint in hints.items() if _is_record(hint)}
    given = [name for name, hint in hints.items() if hint is Given]
    found: dict[str, inspect.Parameter] = {}
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        if name in records:
            for each in _parameters(records[name]):
                found.setdefault(each.name, each)  # a setting of two records is one option
        elif name not in given:
            found[name] = parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    @functools.wraps(command)
    def expanded(context: typer.Context, **values: Any) -> None:
        typed = _typed(context, values)
        arguments = {name: value for name, value in values.items() if name in hints}
        arguments.update(dict.fromkeys(given, typed))
        try:
            for name, record in records.items():
                arguments[name] = _make(record, values, typed)
        except PitomeError as error:
            run(_refusal(error), bool(values.get("as_json")))
        command(**arguments)

    signature = inspect.Signature([context, *found.values()], return_annotation=None)
    expanded.__signature__ = signature  # type: ignore[attr-defined]
    expanded.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
    return expanded


def _is_record(hint: object) -> bool:
    return isinstance(hint, type) and is_dataclass(hint) and hint is not Given


def _refusal(error: PitomeError) -> Callable[[Display], Result]:
    def refuse(_: Display) -> Result:
        raise error

    return refuse


def _parameters(record: type[DataclassInstance]) -> list[inspect.Parameter]:
    """The parameters of a record's options, in its order."""
    described = options_of(record)
    hints = get_type_hints(record)
    found: list[inspect.Parameter] = []
    for each in fields(record):
        if _is_record(hints[each.name]):
            found += _parameters(hints[each.name])
        if each.name in described:
            option = described[each.name]
            found.append(_parameter(each, hints[each.name], option, _panel(record)))
            found += [_alias_parameter(alias, _panel(record)) for alias in option.aliases]
    return found


def _panel(record: type[DataclassInstance]) -> str:
    """The heading of a record's options: ``ModelOptions`` and ``ModelChoice`` are "Model options"."""
    words = re.findall(r"[A-Z][a-z]+", re.sub(r"(Options|Settings|Choice)$", "", record.__name__))
    return f"{' '.join(words).capitalize()} options"


def _parameter(field: Field[Any], hint: object, described: Option, panel: str) -> inspect.Parameter:
    name = option_name(field.name, described)
    kind, default = _command_line_type(field, hint, described)
    bounds = _bounds(hint, described)
    if described.argument:
        info = typer.Argument(help=described.help)
    else:
        flag = _flag(name)
        if default is True:
            flag = f"{flag}/{_flag(f'no_{name}')}"
        info = typer.Option(
            flag, help=described.help, hidden=described.hidden, rich_help_panel=panel, **bounds
        )
    required = field.default is MISSING
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else default,
        annotation=Annotated[kind, info],
    )


def _alias_parameter(alias: Alias, panel: str) -> inspect.Parameter:
    info = typer.Option(_flag(alias.name), help=alias.help, rich_help_panel=panel)
    return inspect.Parameter(
        alias.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, info]
    )


def _command_line_type(field: Field[Any], hint: object, described: Option) -> tuple[Any, Any]:
    """How typer reads a field: (type, default)."""
    default = field.default
    optional = default is None
    kind: Any
    if described.repeated:
        kind, default = list[_members(hint)[0]] | None, None  # type: ignore[misc]
    elif described.allowed:
        kind = Literal[described.allowed]
    elif described.parse is parse_switch:
        kind, default = int, None if optional else int(cast("bool", default))
    elif described.parse is not None:
        kind = str
        if default not in (None, MISSING):
            default = option_text(field.name, described, default)[1]
    else:
        kind = _members(hint)[0]
    return (kind | None if optional else kind), default


def _members(hint: object) -> list[Any]:
    """The types that a field may have, None aside; of a tuple, those of its items."""
    members = [each for each in get_args(hint) if each not in (NoneType, Ellipsis)]
    return members or [hint]


def _bounds(hint: object, described: Option) -> dict[str, Any]:
    if described.parse is parse_switch:
        return {"min": 0, "max": 1}
    if described.minimum is None and described.maximum is None:
        return {}
    return {"min": described.minimum, "max": described.maximum}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _names(field_name: str, described: Option) -> tuple[str, ...]:
    return (option_name(field_name, described), *(alias.name for alias in described.aliases))


def _typed(context: typer.Context, names: Collection[str]) -> Given:
    sources = {name: context.get_parameter_source(name) for name in names}
    return Given(
        frozenset(name for name, source in sources.items() if source and source.name == "COMMANDLINE")
    )


def _make(record: type[DataclassInstance], values: Values, given: Given) -> DataclassInstance:
    """The record from what typer read.

    Raises:
        InputError: a text that is none of an option's values, or two options for one field.
    """
    described = options_of(record)
    chosen: dict[str, Any] = {}
    for name, hint in get_type_hints(record).items():
        if _is_record(hint):
            chosen[name] = _make(hint, values, given)
    for name, option in described.items():
        typed = [each for each in _names(name, option) if each in given.names]
        if len(typed) > 1:
            asked = " and ".join(f"{each.upper()}={values[each]}" for each in reversed(typed))
            raise InputError(asked, "both say the same thing", "Give only one of them")
        if typed:
            alias = next((each for each in option.aliases if each.name == typed[0]), None)
            chosen[name] = _value(typed[0], values[typed[0]], option, alias)
        elif option.argument:
            chosen[name] = values[option_name(name, option)]
    return record(**chosen)


def _value(name: str, value: Any, described: Option, alias: Alias | None) -> object:
    """What typer read for an option, as the field's value."""
    parse = described.parse if alias is None else alias.parse
    if described.repeated:
        return tuple(value)
    if parse is None:
        return value
    if parse is parse_switch:
        return bool(value)
    try:
        return parse(str(value))
    except ValueError as error:
        reason = str(error)
        wanted = reason.removeprefix("not ") if reason.startswith("not ") else "a number"
        raise InputError(f"{name.upper()}={value}", reason, f"Give {wanted}") from None
