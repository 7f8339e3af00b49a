"""The compiled plans, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.bundle import PlanRecord
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.sections.section import Section
from pitome.validate.report.summary import merge_path_text, plan_status


@dataclass(frozen=True)
class Plan:
    """One of them."""

    record: PlanRecord
    status: str
    merge_path: str


@dataclass(frozen=True)
class PlansView:
    """All of them; there may be none."""

    plans: tuple[Plan, ...]


def plans_view(report: ReportInput) -> PlansView:
    """Always there."""
    manifest = report.manifest
    return PlansView(
        tuple(
            Plan(plan, plan_status(plan, report.parity_of(graph.name)), merge_path_text(manifest, plan))
            for graph in manifest.graphs
            for plan in graph.plans
        )
    )


SECTION = Section("plans", "Plans", "section_plans.html.j2", plans_view)
