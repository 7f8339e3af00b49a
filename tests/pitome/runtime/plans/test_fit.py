"""Which plan a machine takes, and the reasons against the others."""

from __future__ import annotations

import pytest

from pitome.runtime.plans import Gpu, Machine, plan_reasons, ranked_plans
from pitome.runtime.plans.fit import same_version
from tests.pitome.runtime.plans.test_opening import L4, plugin_record, record_of

FUNCTION = record_of(b"", file="function.plan", precision="fp16")
PLUGIN = record_of(b"", file="plugin.plan", precision="fp16", merge_path="plugin", plugin_layers=2)
CLASSIC = record_of(
    b"",
    file="classic.plan",
    precision="fp16",
    merge_path="plugin",
    plugin_layers=2,
    backend="tensorrt",
    backend_version="10.14.1.48",
)
LIBRARY = plugin_record(b"")


def ranks(machine: Machine, plugin: object = LIBRARY) -> list[tuple[str, str | None]]:
    found = ranked_plans((FUNCTION, PLUGIN, CLASSIC), machine, plugin)  # type: ignore[arg-type]
    return [(plan.file, reason) for plan, reason in found]


def test_a_plan_with_the_plugin_goes_first() -> None:
    assert ranks(L4) == [("classic.plan", None), ("plugin.plan", None), ("function.plan", None)]


def test_without_the_library_one_without_plugin_is_left() -> None:
    missing = "it needs the plugin library, and the bundle has none"
    assert ranks(L4, None) == [
        ("classic.plan", missing),
        ("plugin.plan", missing),
        ("function.plan", None),
    ]


def test_all_reasons_are_told_at_once() -> None:
    machine = Machine(Gpu("NVIDIA H200", "sm90"), versions={"tensorrt_rtx": "1.8.0.1"})
    assert plan_reasons(FUNCTION, machine) == (
        "it was built by TensorRT-RTX 1.7.1.116, and 1.8.0.1 is installed; it is for sm89, and this GPU "
        "(NVIDIA H200) is sm90"
    )
    assert plan_reasons(CLASSIC, machine, LIBRARY) == (
        "TensorRT is not installed; it is for sm89, and this GPU (NVIDIA H200) is sm90"
    )
    nothing = Machine(None, "no GPU answers here (x)")
    assert plan_reasons(FUNCTION, nothing) == "TensorRT-RTX is not installed; no GPU answers here (x)"


def test_a_plan_that_carries_its_library_needs_none() -> None:
    embedded = PLUGIN.model_copy(update={"plugin_embedded": True})
    assert plan_reasons(embedded, L4) is None
    assert plan_reasons(PLUGIN, L4, plugin_record(b"", arch="s390x")) is not None


def test_an_older_tensorrt_prefers_the_function() -> None:
    old = CLASSIC.model_copy(update={"backend_version": "10.6.0.26"})
    machine = Machine(L4.gpu, versions={"tensorrt": "10.6.0.26"})
    assert plan_reasons(old, machine, LIBRARY) == (
        "it needs the plugin, which TensorRT 10.6.0.26 is not known to take"
    )


@pytest.mark.parametrize(
    ("built", "installed", "same"),
    [
        ("10.14.1.48", "10.14.1.48.post1", True),
        ("1.7.1.116", "1.7.1.116", True),
        ("10.14.1.48", "10.14.1.49", False),
        ("10.14.1.48", "10.14.1", False),
        ("1.7.1.116", "11.7.1.116", False),
    ],
)
def test_versions_of_four_numbers(built: str, installed: str, same: bool) -> None:
    assert same_version(built, installed) is same
