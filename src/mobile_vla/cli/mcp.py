"""`mvla mcp`: a server over standard input and output that answers assistants from evidence."""

from __future__ import annotations

import argparse

from mobile_vla.cli.arguments import EvidenceOptions, add_evidence, runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla mcp`."""
    add_evidence(parser)
    example = "mvla mcp --workspace workspace --evidence runs/ logs/"
    runs(parser, mcp, EvidenceOptions, example, needs=("mcp",))


def mcp(options: EvidenceOptions) -> None:
    """Serve until the client goes. Evidence is read anew at every question.

    Raises: UserError where the workspace or a folder of evidence is not there.
    """
    from mobile_vla.audit.mcp_server import make_server
    from mobile_vla.cli.audit import book_of, proof_of
    from mobile_vla.cli.open_book import casebook

    proof_of(options)
    book = book_of(options)
    if book is None:  # scanned folders alone: there is a study to plan by, and no workspace
        book = casebook(options)
    make_server(book, lambda: proof_of(options)).run("stdio")
