"""Run in a process of its own: what TensorRT's plugin registry makes of a plugin library, as JSON.

    python registry_script.py LIBRARY

The registry and its Python binding are those of TensorRT 11.4's lean runtime. Of a C++ plugin the binding
calls getCapabilityInterface and the properties of the capabilities; clone and all the other methods are stubs
in it that carry documentation and return None. So clone is called here through the virtual table of a plugin
that the registry's creator made; plugin_program.cpp calls everything.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

import numpy as np
import tensorrt_lean as tensorrt

Values = dict[str, int | float | str]
VALUES: Values = {
    "num_merged": 19,
    "num_candidates": 176,
    "num_protected": 1,
    "margin": 0.5,
    "offset": 0.5,
    "width": 1.0,
    "alpha": 1.0,
    "size_penalty": 0.25,
    "order": "energy",
    "function": "piecewise",
    "split": "alternate",
    "by_position": 0,
    "source_start": 0,
    "source_stop": 176,
    "target_start": 1,
    "target_stop": 176,
    "split_step": 2,
}
# Places in the virtual table of IPluginV3; gcc's destructors take two.
DELETE, GET_CAPABILITY_INTERFACE, CLONE = 3, 4, 5


def main() -> None:
    registry = tensorrt.get_plugin_registry()
    found = {
        "version": tensorrt.__version__,
        "creator_before": registry.get_creator("EnergyMerge", "2", "pitome") is not None,
    }
    handle = registry.load_library(sys.argv[1])
    # Python owns the plugins: none may outlive the library.
    found |= use(registry.get_creator("EnergyMerge", "2", "pitome"))
    registry.deregister_library(handle)
    found["creator_after"] = registry.get_creator("EnergyMerge", "2", "pitome") is not None
    print(json.dumps(found))


def use(creator: Any) -> dict[str, Any]:
    build, runtime = tensorrt.TensorRTPhase.BUILD, tensorrt.TensorRTPhase.RUNTIME
    plugin = create(creator, VALUES, build)
    return {
        "creator": [creator.name, creator.plugin_version, creator.plugin_namespace],
        "creator_kind": creator.interface_info.kind,
        "field_names": [[field.name, int(field.type)] for field in creator.field_names],
        "plugin": describe(plugin),
        "clone": describe_clone(plugin),
        "at_runtime": describe(create(creator, VALUES, runtime)),
        "refused": [
            create(creator, {**VALUES, "num_merged": 89}, build) is None,
            create(creator, {**VALUES, "order": "size"}, runtime) is None,
            create(creator, {**VALUES, "split_step": 1}, build) is None,
            create(creator, {}, runtime) is None,
        ],
    }


def create(creator: Any, values: Values, phase: Any) -> Any:
    fields = [field_of(name, value) for name, value in values.items()]
    return creator.create_plugin("layer", tensorrt.PluginFieldCollection(fields), phase)


def field_of(name: str, value: int | float | str) -> Any:
    types = tensorrt.PluginFieldType
    if isinstance(value, str):
        return tensorrt.PluginField(name, value.encode() + b"\0", types.CHAR)
    if isinstance(value, int):
        return tensorrt.PluginField(name, np.array([value], np.int32), types.INT32)
    return tensorrt.PluginField(name, np.array([value], np.float32), types.FLOAT32)


def describe(plugin: Any) -> dict[str, Any]:
    """What the binding can ask a C++ plugin."""
    types = tensorrt.PluginCapabilityType
    core, build, runtime = map(plugin.get_capability_interface, (types.CORE, types.BUILD, types.RUNTIME))
    return {
        "kind": plugin.interface_info.kind,
        "capabilities": [capability.interface_info.kind for capability in (core, build, runtime)],
        "names": [core.plugin_name, core.plugin_version, core.plugin_namespace],
        "num_outputs": build.num_outputs,
        "format_combination_limit": build.format_combination_limit,
        "timing_cache_id": build.timing_cache_id,
        "metadata": build.metadata_string,
    }


def describe_clone(plugin: Any) -> dict[str, bool]:
    """Clone a plugin that the registry's creator made, as TensorRT does, and delete the clone."""
    core_type = int(tensorrt.PluginCapabilityType.CORE)
    address = address_of(plugin)
    clone = call(address, CLONE)
    # The binding's own call of the same entry, to be sure of the places in the table.
    core = plugin.get_capability_interface(tensorrt.PluginCapabilityType.CORE)
    found = {
        "same_entry": call(address, GET_CAPABILITY_INTERFACE, core_type) == address_of(core),
        "another_object": clone not in (0, address),
        "same_class": table_of(clone) == table_of(address),
        "own_core": call(clone, GET_CAPABILITY_INTERFACE, core_type) - clone == address_of(core) - address,
    }
    call(clone, DELETE)
    return found


def address_of(bound: Any) -> int:
    """Of the C++ object: pybind11 keeps it behind the header of a Python object."""
    return int(ctypes.c_void_p.from_address(id(bound) + object.__basicsize__).value or 0)


def table_of(address: int) -> int:
    return int(ctypes.c_void_p.from_address(address).value or 0)


def call(address: int, place: int, *words: int) -> int:
    entry = table_of(table_of(address) + place * ctypes.sizeof(ctypes.c_void_p))
    function = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, *(ctypes.c_int32 for _ in words))(entry)
    return int(function(address, *words) or 0)


if __name__ == "__main__":
    main()
