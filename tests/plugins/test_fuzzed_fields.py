"""The creator under field collections with every kind of defect: null and a message, never a crash."""

from __future__ import annotations

import json

import pytest

from tests.plugins.plugin_program import BUILDS, EVERY_BUILD

COLLECTIONS = 10_000
KINDS = {
    "duplicated",
    "gaussian_without_width",
    "integer_out_of_range",
    "missing",
    "missing_by_count",
    "noise",
    "null_collection",
    "null_data",
    "null_fields",
    "null_name",
    "number_out_of_range",
    "unknown_name",
    "wrong_count",
    "wrong_identity",
    "wrong_number_length",
    "wrong_text",
    "wrong_text_length",
    "wrong_twin",
    "wrong_type",
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("build", EVERY_BUILD)
def test_every_defect_gives_null_and_one_message_that_names_it(build: str, seed: int) -> None:
    done = BUILDS[build].run("fuzz", str(seed), str(COLLECTIONS))
    counts = json.loads(done.stdout)["counts"]
    assert done.stderr == b""
    assert counts.pop("right") == COLLECTIONS // 8
    assert set(counts) == KINDS
    assert min(counts.values()) >= COLLECTIONS // len(KINDS)
    assert sum(counts.values()) == COLLECTIONS


@pytest.mark.parametrize("build", EVERY_BUILD)
def test_without_memory_an_entry_point_refuses_with_one_message(build: str) -> None:
    done = BUILDS[build].run("memory")
    assert done.stderr == b""
    failures = json.loads(done.stdout)
    assert set(failures) == {"createPlugin", "clone", "attachToContext"}
    assert all(count > 0 for count in failures.values())
