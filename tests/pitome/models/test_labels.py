"""The names of a classifier's outputs are in the order of the outputs, one for each."""

from __future__ import annotations

import json

import pytest

from pitome.models.labels import labels_file, ordered_labels


def test_the_order_is_that_of_the_outputs() -> None:
    names = {"10": "k", "2": "c", **{str(number): f"n{number}" for number in (0, 1, *range(3, 10))}}
    found = ordered_labels(names)
    assert found == ("n0", "n1", "c", *(f"n{number}" for number in range(3, 10)), "k")
    assert ordered_labels({1: "b", 0: "a"}, 2) == ("a", "b")
    assert json.loads(labels_file(("a", "\u00e9\n"))) == ["a", "\u00e9\n"]


@pytest.mark.parametrize(
    ("names", "outputs", "text"),
    [
        (None, None, "it is no table of names"),
        (["a", "b"], None, "it is no table of names"),
        ({}, None, "it is no table of names"),
        ({"a": "b"}, None, "'a' is no number of an output"),
        ({True: "b"}, None, "'True' is no number of an output"),
        ({-1: "a", 0: "b"}, None, "it has no name for 1"),
        ({0: "a", 2: "b"}, None, "it has no name for 1"),
        ({0: "a", "0": "b"}, None, "it names 0 twice"),
        ({0: 5}, None, "its name of 0 is no text of 1 to 1000 characters"),
        ({0: ""}, None, "its name of 0 is no text of 1 to 1000 characters"),
        ({0: "x" * 1001}, None, "its name of 0 is no text of 1 to 1000 characters"),
        ({0: "a"}, 2, "it has no name for 1"),
        ({0: "a", 1: "b"}, 1, "it has 2 names for 1 outputs"),
        ({"9" * 5000: "a"}, None, "is no number of an output"),
    ],
)
def test_what_is_refused(names: object, outputs: int | None, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ordered_labels(names, outputs)
