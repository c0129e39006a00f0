"""`mvla report`: write the lab's page from evidence."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mobile_vla.cli.arguments import StudyOptions, add_json, add_study, runs
from mobile_vla.cli.open_book import casebook, no_workspace
from mobile_vla.cli.run_options import print_json

if TYPE_CHECKING:
    from mobile_vla.analysis.casebook import Casebook


class ReportOptions(StudyOptions):
    """The page to write."""

    lang: Literal["en", "ko"] | None
    documents: str | None
    html: bool
    crate: str | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla report`."""
    parser.add_argument("--lang", choices=("en", "ko"), help="one language (default: both)")
    parser.add_argument(
        "--documents", metavar="DIR", help="list the false claims of the Markdown files below DIR"
    )
    parser.add_argument("--html", action="store_true", help="write a page with figures as well")
    parser.add_argument(
        "--crate", metavar="DIR",
        help="write the runs as a Workflow Run RO-Crate to a new folder instead",
    )  # fmt: skip
    add_study(parser)
    add_json(parser)
    runs(parser, report, ReportOptions, "mvla report --lang ko --html")


def report(options: ReportOptions) -> None:
    """Write the page in one language or both, or the crate."""
    from mobile_vla.messages.catalogue import phrase
    from mobile_vla.messages.formats import LANGUAGES
    from mobile_vla.report.page_figures import can_draw
    from mobile_vla.report.write_report import write_report

    book = casebook(options)
    if not book.workspace.is_dir():
        raise no_workspace(options)
    if options.crate:
        _crate(options, book)
        return
    languages = (options.lang,) if options.lang else LANGUAGES
    folder = Path(options.documents) if options.documents else None
    paths = write_report(
        book.workspace, book, languages=languages, html=options.html, documents=folder
    )
    if options.html and not can_draw():
        print(f"mvla: {phrase('report.figures_missing', 'en')}", file=sys.stderr)
    if options.json:
        print_json([str(path) for path in paths])
        return
    for path in paths:
        print(path)


def _crate(options: ReportOptions, book: Casebook) -> None:
    from mobile_vla.cli.run_options import setting
    from mobile_vla.report.run_crate import write_crate

    path = write_crate(Path(options.crate or ""), book, setting(options).path)
    if options.json:
        print_json([str(path)])
    else:
        print(path)
