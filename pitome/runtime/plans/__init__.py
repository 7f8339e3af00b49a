"""Plans of TensorRT and TensorRT-RTX on a GPU, without PyTorch: which of them run here, and running them."""

from pitome.runtime.plans.fit import check_plan, plan_reasons, ranked_plans
from pitome.runtime.plans.machine import Gpu, Machine, first_gpu, this_machine
from pitome.runtime.plans.opening import PlanOptions, PluginFile, open_plan
from pitome.runtime.plans.plan_header import read_plan_version

__all__ = [
    "Gpu",
    "Machine",
    "PlanOptions",
    "PluginFile",
    "check_plan",
    "first_gpu",
    "open_plan",
    "plan_reasons",
    "ranked_plans",
    "read_plan_version",
    "this_machine",
]
