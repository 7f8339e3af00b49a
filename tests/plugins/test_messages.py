"""Where messages go: to the logger where TensorRT's major version is that of the headers, else to stderr."""

from __future__ import annotations

import json
import re

import pytest

from tests.plugins.plugin_program import BUILDS, EVERY_BUILD

TO_THE_LOGGER = {"same_version", "same_major", "same_version_again"}
TO_STDERR = {"never_set", "null_afterwards", "newer_major", "older_major", "eight", "no_logger", "throws"}


@pytest.mark.parametrize("build", EVERY_BUILD)
def test_a_logger_is_called_only_where_its_class_is_known(build: str) -> None:
    done = BUILDS[build].run("messages")
    counts = json.loads(done.stdout)
    assert counts == {name: int(name in TO_THE_LOGGER) for name in TO_THE_LOGGER | TO_STDERR}
    assert sorted(re.findall(r"createPlugin of layer '(\w+)'", done.stderr.decode())) == sorted(TO_STDERR)


def test_a_message_is_one_line_that_says_whose_it_is() -> None:
    for line in BUILDS["host"].run("messages").stderr.decode().splitlines():
        assert line.startswith("pitome::EnergyMerge, createPlugin of layer '")
        assert line.endswith(": the collection is null. Pass a collection of these fields, each once")
