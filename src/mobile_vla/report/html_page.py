"""The report as one HTML file: no scripts, nothing fetched, readable on a phone and in the dark."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from mobile_vla.analysis.wording import Language
from mobile_vla.report.figures import loss_figures, matrix_figures, path_figures, picture_figures
from mobile_vla.report.headings import text
from mobile_vla.report.page import report_page
from mobile_vla.report.page_model import Block, Bullets, Cite, Code, Inline, Mark, Strong, Table
from mobile_vla.report.report_data import ReportView

if TYPE_CHECKING:
    from jinja2 import Environment

COLOURS: dict[str, str] = {
    "finished": "good",
    "valid": "good",
    "done": "good",
    "yes": "good",
    "failed": "bad",
    "killed": "bad",
    "not_comparable": "bad",
    "no": "bad",
    "running": "busy",
    "queued": "busy",
    "to_do": "busy",
    "confounded": "unsure",
    "stalled": "unsure",
    "unverified": "unsure",
}

TEXT_SIGNS: dict[str, str] = {"good": "✓", "bad": "✗", "busy": "…", "unsure": "⚠", "plain": "–"}
"""Signs that every font has; not every machine has one with emoji."""


def report_html(view: ReportView, language: Language) -> str:
    """The report's page with curves, paths and pictures in it, all inline.

    Reads `metrics.csv` and the named pictures below the workspace; unchanged files, same bytes.
    """
    template = _environment().get_template("report.html.j2")
    return template.render(
        page=report_page(view, language),
        language=language,
        text=lambda key: text(key, language),
        matrix=matrix_figures(view, language),
        losses=loss_figures(view, language),
        paths=path_figures(view, language),
        pictures=picture_figures(view, language),
    )


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mobile_vla.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"kind": kind, "colour": colour, "sign": sign, "href": quote}
    return environment


def kind(part: Block | Inline) -> str:
    """What the template is to draw."""
    names: dict[type, str] = {
        Table: "table",
        Bullets: "bullets",
        Code: "code",
        Strong: "strong",
        Cite: "cite",
        Mark: "mark",
        str: "text",
    }
    return names.get(type(part), "paragraph")


def colour(mark: Mark) -> str:
    """The colour class of a mark; its sign and word say the same without colour."""
    return COLOURS.get(mark.kind, "plain")


def sign(mark: Mark) -> str:
    """The sign of a mark in HTML."""
    return TEXT_SIGNS[colour(mark)]
