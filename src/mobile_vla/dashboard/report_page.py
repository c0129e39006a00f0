"""The study's report as a page of the dashboard, by the templates of `mvla report --html`."""

from __future__ import annotations

import base64
from dataclasses import replace

from mobile_vla.dashboard.live_book import Moment
from mobile_vla.dashboard.page import DashboardPage, Values
from mobile_vla.messages.catalogue import phrase
from mobile_vla.messages.formats import Language
from mobile_vla.report.page_data import page_data
from mobile_vla.report.page_figures import PageFigure, page_figures


def report_page(moment: Moment, language: Language) -> DashboardPage:
    """The five answers and the seven parts, with their figures."""
    view = moment.conclusions.report

    def values() -> Values:
        figures = {name: list(map(_as_picture, items))
                   for name, items in page_figures(view, language).items()}  # fmt: skip
        return {"page": page_data(view, language), "figures": figures}

    title = phrase("report.report", language)
    return DashboardPage("report_page.html.j2", title, lambda: page_data(view, language), values)


def _as_picture(figure: PageFigure) -> PageFigure:
    """The figure as a picture: the styles inside an SVG need no permission of the page then."""
    if not figure.svg:
        return figure
    data = base64.b64encode(figure.svg.encode()).decode()
    return replace(figure, svg="", png=f"data:image/svg+xml;base64,{data}")
