"""`mvla report`: write the lab's page from evidence."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.cli.open_book import casebook
from mobile_vla.cli.run_options import print_json
from mobile_vla.messages.errors import UserError

if TYPE_CHECKING:
    pass


def report(options: argparse.Namespace) -> None:
    """Write the page in one language or both."""
    from mobile_vla.messages.formats import LANGUAGES
    from mobile_vla.report.write_report import write_report

    book = casebook(options)
    if not book.workspace.is_dir():
        raise UserError(
            f"There is no workspace {book.workspace}: run `mvla demo`, or name another."
        )
    languages = (options.lang,) if options.lang else LANGUAGES
    folder = Path(options.documents) if options.documents else None
    paths = write_report(
        book.workspace, book, languages=languages, html=options.html, documents=folder
    )
    if options.json:
        print_json([str(path) for path in paths])
        return
    for path in paths:
        print(path)
