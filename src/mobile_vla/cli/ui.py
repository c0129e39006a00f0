"""`mvla ui`: the evidence in a browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from mobile_vla.cli.arguments import EvidenceOptions, add_evidence, runs
from mobile_vla.cli.listen_options import add_listening, read_token, shown_address
from mobile_vla.messages.errors import UserError

PORT = 8080


class UiOptions(EvidenceOptions):
    """The workspace to show, and where to listen."""

    host: str
    port: int
    token_file: str | None
    documents: str | None
    write: bool
    open: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mvla ui`."""
    add_listening(parser, PORT)
    parser.add_argument(
        "--documents", metavar="DIR", help="check the Markdown files below DIR, claim by claim"
    )
    parser.add_argument(
        "--write", action="store_true",
        help="let a page of the dashboard confirm bindings in the documents",
    )  # fmt: skip
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    add_evidence(parser)
    runs(parser, ui, UiOptions, "mvla ui --workspace workspace --open", needs=("ui",))


def ui(options: UiOptions) -> None:
    """Listen, print the address, and answer until stopped."""
    from mobile_vla.cli.open_book import scanning_book
    from mobile_vla.cli.stop_signals import run_server
    from mobile_vla.dashboard.app import DashboardOptions
    from mobile_vla.dashboard.server import make_server
    from mobile_vla.listening import bind, choose_token
    from mobile_vla.messages.catalogue import phrase

    documents = Path(options.documents) if options.documents else None
    if documents is not None and not documents.is_dir():
        raise UserError(phrase("dashboard.no_folder", "en", path=str(documents)))
    token = choose_token(options.host, read_token(options.token_file))
    book = scanning_book(options)
    with bind(options.host, options.port) as listener:
        chosen = DashboardOptions(options.host, token, documents, options.write)
        server = make_server(book, chosen)
        listener.listen()  # who opens the printed address at once waits, and is not refused
        host = options.host if options.host not in ("0.0.0.0", "::") else "localhost"
        port = listener.getsockname()[1]
        address = f"http://{shown_address((host, port))}/" + (f"?token={token}" if token else "")
        print(phrase("dashboard.ready", "en", address=address), flush=True)
        if options.open:
            import webbrowser

            webbrowser.open(address)
        run_server(server, listener)
