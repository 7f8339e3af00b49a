"""report.html: one self-contained page that shows what a bundle is and how it was checked."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.validate.report.charts.style import DARK, LIGHT, colour_properties
from pitome.validate.report.header import header_view
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.numbers import grouped, plain, small
from pitome.validate.report.sections import all_sections
from pitome.validate.report.summary import giga, megabytes, percent, times, tone_of

TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class RenderedSection:
    """A section of this page."""

    name: str
    title: str
    html: str


def render_report(report: ReportInput) -> str:
    """The report of a bundle. Whatever is missing, its section says what to run to get it.

    Returns:
        An HTML document that loads nothing from anywhere. The same input gives the same text.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pitome.validate.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        tone=tone_of, giga=giga, megabytes=megabytes, times=times, small=small, cell=plain, grouped=grouped
    )
    environment.globals["percent"] = percent
    sections = []
    for section in all_sections():
        view = section.view(report)
        if view is not None:
            html = environment.get_template(section.template).render(
                view=view, command=section.command(report)
            )
            sections.append(RenderedSection(section.name, section.title, html))
    return environment.get_template(TEMPLATE).render(
        view=header_view(report),
        sections=sections,
        light=colour_properties(LIGHT),
        dark=colour_properties(DARK),
    )
