"""The creator, from the library's own getCreators: what it asks for, what it refuses and in which words."""

from __future__ import annotations

import dataclasses
import math
import re
import struct
from collections.abc import Callable

import pytest

from pitome.parameters import MergeParameters, Split
from tests.plugins.plugin_program import (
    BUILDS,
    CHAR,
    EVERY_BUILD,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    Field,
    attribute_fields,
    describe,
    text_field,
)

PARAMETERS = MergeParameters(19, 176, 1, margin=0.3, offset=0.3, alpha=1.0, size_penalty=0.05)
NAMES = [field.name for field in dataclasses.fields(MergeParameters)]
TWINS = ["by_position", "source_start", "source_stop", "target_start", "target_stop", "split_step"]
ALL_NAMES = ", ".join([*NAMES, *TWINS])
COLLECTION = f"a field collection with {ALL_NAMES}: "
ONCE = ". Pass a collection of these fields, each once"
ORDER = "field order as text, 'energy' or 'position': "

Fields = dict[str, Field]
Change = Callable[[Fields], object]


def integer(name: str, value: int) -> Field:
    return Field(name, INT32, struct.pack("<i", value))


def number(name: str, value: float) -> Field:
    return Field(name, FLOAT32, struct.pack("<f", value))


def put(*fields: Field) -> Change:
    """Put each in the place of the field of its name, or at the end."""
    return lambda all_fields: all_fields.update({str(field.name): field for field in fields})


def refusal(fields: list[Field] | None, **options: object) -> str:
    """The one message of createPlugin, which must give null, without what stands before it in every one."""
    answer = describe(fields, **options)["calls"]["createPlugin"]  # type: ignore[arg-type]
    assert (answer["returned"], answer["messages"]) == (0, 1)
    place = "pitome::EnergyMerge, createPlugin of layer 'layer': "
    assert answer["message"].startswith(place)
    return str(answer["message"].removeprefix(place))


@pytest.mark.parametrize("build", EVERY_BUILD)
def test_the_creator_asks_for_the_attributes_and_their_twins(build: str) -> None:
    description = describe(None, build=BUILDS[build])
    assert description["creator"] == ["EnergyMerge", "2", "pitome"]
    assert [field["name"] for field in description["field_names"]] == [*NAMES, *TWINS]
    types = [INT32] * 3 + [FLOAT32] * 5 + [CHAR] * 3 + [INT32] * 6
    assert [field["type"] for field in description["field_names"]] == types


REFUSALS: dict[str, tuple[Change, str]] = {
    "missing": (
        lambda fields: fields.pop("margin"),
        f"fields {ALL_NAMES}: there is no field margin. Pass all of them: none has a default",
    ),
    "empty": (
        lambda fields: fields.clear(),
        f"fields {ALL_NAMES}: there is no field num_merged. Pass all of them: none has a default",
    ),
    "twice": (
        lambda fields: fields.update({"again": fields["order"]}),
        "field order once: it is there twice. Pass it once",
    ),
    "unknown": (
        put(number("threshold", 0.5)),
        f"fields {ALL_NAMES}: there is a field 'threshold'. Leave it out or correct its name",
    ),
    "unknown, not printable": (
        put(number("a\n\xff'" + 60 * "b", 0.5)),
        f"fields {ALL_NAMES}: there is a field 'a\\x0a\\xff'{44 * 'b'}...'. Leave it out or correct its name",
    ),
    "name null": (
        lambda fields: fields.update(order=Field(None, CHAR, b"energy\0")),
        f"a name for every field: field 8 has a null name. Name it one of {ALL_NAMES}",
    ),
    "integer as int64": (
        put(Field("num_merged", INT64, struct.pack("<q", 19))),
        "field num_merged of type kINT32: its type is kINT64. Pass kINT32",
    ),
    "number as float64": (
        put(Field("alpha", FLOAT64, struct.pack("<d", 1))),
        "field alpha of type kFLOAT32: its type is kFLOAT64. Pass kFLOAT32",
    ),
    "number as integer": (
        put(integer("margin", 1)),
        "field margin of type kFLOAT32: its type is kINT32. Pass kFLOAT32",
    ),
    "text as number": (
        put(integer("split", 0)),
        "field split of type kCHAR: its type is kINT32. Pass kCHAR",
    ),
    "unknown type": (
        put(Field("split", 77, b"half\0")),
        "field split of type kCHAR: its type is number 77. Pass kCHAR",
    ),
    "two numbers": (
        put(Field("num_candidates", INT32, struct.pack("<2i", 38, 176))),
        "field num_candidates with one number: its length is 2. Pass length 1",
    ),
    "negative length": (
        put(Field("size_penalty", FLOAT32, struct.pack("<f", 0), length=-1)),
        "field size_penalty with one number: its length is -1. Pass length 1",
    ),
    "text without characters": (
        put(Field("order", CHAR, b"")),
        ORDER + "its length is 0. Pass the number of characters with the NUL at the end",
    ),
    "text too long": (
        put(Field("order", CHAR, b"energy\0", length=2**31 - 1)),
        ORDER + "its length is 2147483647. Pass the number of characters with the NUL at the end",
    ),
    "text cut off": (
        put(Field("order", CHAR, b"energy\0", length=3)),
        ORDER + "it says 'ene'. Pass one of these",
    ),
    "text with more behind the NUL": (
        put(Field("order", CHAR, b"energy\0\0")),
        ORDER + "it says 'energy\\x00'. Pass one of these",
    ),
    "unknown text": (
        put(text_field("function", "ELU")),
        "field function as text, 'piecewise' or 'gaussian': it says 'ELU'. Pass one of these",
    ),
    "unknown split": (
        put(text_field("split", "third")),
        "field split as text, 'alternate' or 'alternate_second' or 'half': it says 'third'. "
        "Pass one of these",
    ),
    "the attribute of version 1": (
        put(text_field("energy", "elu")),
        f"fields {ALL_NAMES}: there is a field 'energy'. Leave it out or correct its name",
    ),
    "a twin missing": (
        lambda fields: fields.pop("split_step"),
        f"fields {ALL_NAMES}: there is no field split_step. Pass all of them: none has a default",
    ),
    "data null": (
        put(Field("num_protected", INT32, None, length=1)),
        "a value for field num_protected: its data is null. Point data at the value",
    ),
    "text null": (
        put(Field("split", CHAR, None, length=5)),
        "a value for field split: its data is null. Point data at the value",
    ),
    "other namespace": (
        put(text_field("plugin_namespace", "nvidia")),
        "field plugin_namespace as text, 'pitome': it says 'nvidia'. Pass this one",
    ),
    "other version": (
        put(text_field("plugin_version", "3")),
        "field plugin_version as text, '2': it says '3'. Pass this one",
    ),
    "the version before": (
        put(text_field("plugin_version", "1")),
        "field plugin_version as text, '2': it says '1', a contract that was never released: its energy was "
        "another. Export the model again",
    ),
}


@pytest.mark.parametrize("defect", REFUSALS)
def test_what_is_wrong_with_fields_is_said(defect: str) -> None:
    change, expected = REFUSALS[defect]
    fields = attribute_fields(PARAMETERS)
    change(fields)
    assert refusal(list(fields.values())) == expected


def test_what_is_wrong_with_the_collection_is_said() -> None:
    fields = list(attribute_fields(PARAMETERS).values())
    assert refusal(None) == COLLECTION + "the collection is null" + ONCE
    assert refusal(fields, null_fields=True) == COLLECTION + "nbFields is 17 but fields is null" + ONCE
    for count in (-1, 20, 2**31 - 1, -(2**31)):
        expected = COLLECTION + f"nbFields is {count}, outside 0 to 19" + ONCE
        assert refusal(fields, count=count) == expected


OUT_OF_RANGE: dict[str, tuple[Change, str]] = {
    "nothing merged": (put(integer("num_merged", 0)), "num_merged=0"),
    "negative merged": (put(integer("num_merged", -3)), "num_merged=-3"),
    "too few candidates": (put(integer("num_candidates", 37)), "num_candidates=37"),
    "negative candidates": (put(integer("num_candidates", -1)), "num_candidates=-1"),
    "twice num_merged overflows": (
        put(integer("num_merged", 2**31 - 1), integer("num_candidates", 2**31 - 1)),
        "num_merged=2147483647",
    ),
    "negative protected": (put(integer("num_protected", -1)), "num_protected=-1"),
    "margin NaN": (put(number("margin", math.nan)), "margin=nan"),
    "alpha infinite": (put(number("alpha", math.inf)), "alpha=inf"),
    "size_penalty negative": (put(number("size_penalty", -0.5)), "size_penalty=-0.5"),
    "size_penalty NaN": (put(number("size_penalty", math.nan)), "size_penalty=nan"),
    "width too small": (put(number("width", 2.0**-11)), "width=0.000488281: outside 0.000976562 to 1024"),
    "offset too large": (put(number("offset", 1025.0)), "offset=1025: outside -1024 to 1024"),
    "gaussian without width": (
        put(text_field("function", "gaussian"), number("margin", 1.0)),
        "margin=1 with the gaussian function",
    ),
}


@pytest.mark.parametrize("defect", OUT_OF_RANGE)
def test_what_is_out_of_range_is_said(defect: str) -> None:
    change, expected = OUT_OF_RANGE[defect]
    fields = attribute_fields(PARAMETERS)
    change(fields)
    message = refusal(list(fields.values()))
    assert expected in message
    assert re.fullmatch(r".+: .+\. [A-Z].+", message), "asked: found. What to do"


OTHER_TWINS = {
    ("energy", "alternate"): {"by_position": 1, "source_start": 1, "source_stop": 88, "target_start": 0}
    | {"target_stop": 175, "split_step": 1},
    ("position", "alternate_second"): {"by_position": 0, "source_start": 0, "source_stop": 175}
    | {"target_start": 1, "target_stop": 177, "split_step": -2},
    ("energy", "half"): {"by_position": 2, "source_start": -1, "source_stop": 87, "target_start": 87}
    | {"target_stop": 0, "split_step": 2},
}


@pytest.mark.parametrize(
    ("texts", "twin"), [(texts, twin) for texts, others in OTHER_TWINS.items() for twin in others]
)
def test_a_twin_that_says_another_thing_than_the_text_is_refused(texts: tuple[str, str], twin: str) -> None:
    order, split = texts
    fields = attribute_fields(dataclasses.replace(PARAMETERS, order=order, split=split))  # type: ignore[arg-type]
    right, wrong = struct.unpack("<i", fields[twin].data or b"")[0], OTHER_TWINS[texts][twin]
    put(integer(twin, wrong))(fields)
    text = f"order '{order}'" if twin == "by_position" else f"split '{split}' of 176 candidates"
    said = f"{twin}={wrong} with {text}: the two say different things, it must be {right}"
    assert refusal(list(fields.values())) == f"{said}. Export the model again"


@pytest.mark.parametrize(
    ("split", "candidates", "slices"),
    [
        ("alternate", 39, [0, 39, 1, 39, 2]),
        ("alternate_second", 39, [1, 39, 0, 39, 2]),
        ("half", 39, [0, 20, 20, 39, 1]),
        ("half", 38, [0, 19, 19, 38, 1]),
    ],
)
def test_the_serialised_twins_are_those_of_the_contract(
    split: Split, candidates: int, slices: list[int]
) -> None:
    parameters = MergeParameters(19, candidates, 1, order="position", split=split)
    fields = {field["name"]: field for field in describe(attribute_fields(parameters).values())["fields"]}
    found = [struct.unpack("<i", fields[name]["data"].encode("latin-1"))[0] for name in TWINS]
    assert found == [1, *slices]


def test_a_layer_without_a_name_and_one_with_a_wild_name_can_be_refused() -> None:
    unnamed = describe(None, layer=None)["calls"]["createPlugin"]["message"]
    assert unnamed.startswith("pitome::EnergyMerge, createPlugin of an unnamed layer: ")
    wild = describe(None, layer="/a\n%s" + 2000 * "x")["calls"]["createPlugin"]["message"]
    assert wild.startswith(f"pitome::EnergyMerge, createPlugin of layer '/a\\x0a%s{43 * 'x'}...': a field")


ACCEPTED: dict[str, Change] = {
    "as the parser gives them": lambda fields: None,
    "texts without NUL": put(
        Field("order", CHAR, b"energy"),
        Field("function", CHAR, b"piecewise"),
        Field("split", CHAR, b"alternate"),
    ),
    "with the node's identity": put(
        text_field("plugin_namespace", "pitome"), Field("plugin_version", CHAR, b"2")
    ),
}


@pytest.mark.parametrize("form", ACCEPTED)
@pytest.mark.parametrize("phase", [0, 1])
def test_every_form_of_the_same_attributes_makes_the_same_plugin(form: str, phase: int) -> None:
    fields = attribute_fields(PARAMETERS)
    ACCEPTED[form](fields)
    description = describe(reversed(fields.values()), phase=phase)
    assert description["calls"]["createPlugin"] == {"returned": 1, "messages": 0, "message": ""}
    assert description["timing_cache_id"] == identity(PARAMETERS)


def identity(parameters: MergeParameters) -> str:
    """The timing cache ID: all parameters, floats exactly (as float32)."""
    texts = []
    for name in NAMES:
        value = getattr(parameters, name)
        if isinstance(value, float):
            value = c_hexadecimal(value)
        texts.append(f"{name}={value}")
    return " ".join(texts)


def c_hexadecimal(value: float) -> str:
    """As C's %a writes it, with no zeros at the end."""
    mantissa, exponent = value.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}p{exponent}"


VARIATIONS = {
    "num_merged": 18,
    "num_candidates": 175,
    "num_protected": 0,
    "margin": PARAMETERS.margin + 2**-25,
    "offset": PARAMETERS.margin + 2**-25,
    "width": 0.01,
    "alpha": 0.5,
    "size_penalty": 0.0,
    "order": "position",
    "function": "gaussian",
    "split": "half",
}


def test_the_timing_cache_id_differs_with_every_attribute() -> None:
    assert list(VARIATIONS) == NAMES
    identities = {describe(attribute_fields(PARAMETERS).values())["timing_cache_id"]}
    for name, value in VARIATIONS.items():
        parameters = dataclasses.replace(PARAMETERS, **{name: value})  # type: ignore[arg-type]
        description = describe(attribute_fields(parameters).values())
        assert description["timing_cache_id"] == description["metadata"] == identity(parameters)
        identities.add(description["timing_cache_id"])
    assert len(identities) == 1 + len(VARIATIONS)


@pytest.mark.parametrize("build", EVERY_BUILD)
def test_the_serialised_fields_make_the_same_plugin_again(build: str) -> None:
    parameters = MergeParameters(
        3, 7, 2, 1 / 3, 0.3, 0.01, -0.1, 1e-30, "position", "gaussian", "alternate_second"
    )
    given = attribute_fields(parameters)
    first = describe(given.values(), build=BUILDS[build])
    serialised = [
        Field(field["name"], field["type"], field["data"].encode("latin-1"), field["length"])
        for field in first["fields"]
    ]
    assert [field.data for field in serialised] == [field.data for field in given.values()]
    second = describe(serialised, build=BUILDS[build], phase=1)
    assert second["calls"]["createPlugin"]["returned"] == 1
    assert (second["timing_cache_id"], second["fields"]) == (first["timing_cache_id"], first["fields"])
