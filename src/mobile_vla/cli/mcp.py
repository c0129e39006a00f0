"""`mvla mcp`: a server over standard input and output that answers assistants from evidence."""

from __future__ import annotations

import argparse

from mobile_vla.cli.audit import book_of, proof_of
from mobile_vla.cli.open_book import casebook
from mobile_vla.old_audit.mcp_server import make_server


def mcp(options: argparse.Namespace) -> None:
    """Serve until the client goes. Evidence is read anew at every question.

    Errors: `UserError` where the workspace or a folder of evidence is not there.
    """
    proof_of(options)
    book = book_of(options)
    if book is None:  # scanned folders alone: there is a study to plan by, and no workspace
        given = argparse.Namespace(**{**vars(options), "workspace": "workspace"})
        book = casebook(given)
    make_server(book, lambda: proof_of(options)).run("stdio")
