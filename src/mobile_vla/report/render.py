"""The report in Markdown and in HTML: templates over plain values, in English and Korean."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from mobile_vla.analysis.wording import is_quotation, words
from mobile_vla.messages.catalogue import phrase, term
from mobile_vla.messages.formats import Language, one_line
from mobile_vla.report.markdown_text import (
    block_start,
    code_span,
    escape,
    link_text,
    table_cell,
)
from mobile_vla.report.page_data import page_data
from mobile_vla.report.page_figures import can_draw, page_figures
from mobile_vla.report.report_data import ReportView

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

COLOURS: dict[str, str] = {
    **dict.fromkeys(("finished", "valid", "done", "yes"), "good"),
    **dict.fromkeys(("failed", "killed", "not_comparable", "no"), "bad"),
    **dict.fromkeys(("running", "queued", "to_do"), "busy"),
    **dict.fromkeys(("confounded", "stalled", "unverified"), "unsure"),
}
"""The colour class of a state or verdict; its sign and its word say the same without colour."""
TEXT_SIGNS = {"good": "✓", "bad": "✗", "busy": "…", "unsure": "⚠", "plain": "–"}
"""Signs that every font has; not every machine has one with emoji."""


def report_markdown(view: ReportView, language: Language) -> str:
    """The lab's page from evidence. Unchanged evidence gives the same bytes."""
    template = environment("md", language).get_template("report.md.j2")
    return tidy_markdown(template.render(page=page_data(view, language), figures={}))


def tidy_markdown(text: str) -> str:
    """A rendered template without indents, and with at most one empty line in a row."""
    lines = (line.strip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def report_html(view: ReportView, language: Language) -> str:
    """The page with curves, paths and pictures in it, all inline, no scripts, nothing fetched.

    Reads `metrics.csv` and the named pictures below the workspace; unchanged files, same bytes.
    """
    template = environment("html", language).get_template("report.html.j2")
    figures = page_figures(view, language)
    return template.render(page=page_data(view, language), figures=figures, can_draw=can_draw())


def environment(
    kind: Literal["md", "html"], language: Language, package: str = "mobile_vla.report"
) -> Environment:
    """Templates whose every printed value is escaped for Markdown or for HTML.

    Those of `package` come first; the report's stand beside them.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    packages = dict.fromkeys((package, "mobile_vla.report"))
    loaded = Environment(
        loader=ChoiceLoader([PackageLoader(name, "templates") for name in packages]),
        autoescape=True,
        finalize=_printed(escape) if kind == "md" else _clean,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    loaded.filters |= _filters(language)
    loaded.tests["quotation"] = lambda value: is_quotation(value, language)
    loaded.globals |= {"language": language, "t": lambda key: phrase(f"report.{key}", language)}
    return loaded


def _filters(language: Language) -> dict[str, Callable[..., Any]]:
    return {
        "words": partial(words, language=language),
        "term": lambda name, kind: term(kind, name, language),
        "sign": lambda kind: term("sign", kind, language),
        "colour": lambda kind: COLOURS.get(kind, "plain"),
        "text_sign": lambda kind: TEXT_SIGNS[COLOURS.get(kind, "plain")],
        "href": quote,
        "link_text": _printed(link_text),
        "code_span": _printed(code_span),
        "block_start": _marked(block_start),
        "table_cell": lambda cell: _marked(table_cell)(_printed(escape)(cell)),
    }


def _printed(escaping: Callable[[str], str]) -> Callable[[object], Markup]:
    """A value as markup: escaped unless it already is markup."""
    from markupsafe import Markup

    def printed(value: object) -> Markup:
        return value if isinstance(value, Markup) else Markup(escaping(str(value)))

    return printed


def _marked(change: Callable[[str], str]) -> Callable[[object], Markup]:
    """A change of markup that gives markup."""
    from markupsafe import Markup

    return lambda value: Markup(change(str(value)))


def _clean(value: object) -> object:
    """A value without control characters; markup as it is."""
    return value if hasattr(value, "__html__") else one_line(str(value))
