"""`mvla mcp`: a server over standard input and output that answers assistants from evidence."""

from __future__ import annotations

import argparse

from mobile_vla.commands.audit import proof_of
from mobile_vla.commands.judge import casebook
from mobile_vla.documents.mcp_server import make_server


def mcp(options: argparse.Namespace) -> None:
    """Serve until the client goes. Evidence is read anew at every question."""
    options.workspace = options.workspace or "workspace"
    make_server(casebook(options), lambda: proof_of(options)).run("stdio")
