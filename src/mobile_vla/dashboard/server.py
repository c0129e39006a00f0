"""The dashboard's server: uvicorn over one socket."""

from __future__ import annotations

import uvicorn

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.dashboard.app import Dashboard, DashboardOptions, build_app
from mobile_vla.dashboard.curves import Curves
from mobile_vla.dashboard.live_book import LiveBook


def make_server(book: Casebook, options: DashboardOptions) -> uvicorn.Server:
    """A server that `run(sockets=[…])` starts; its streams end when it is stopped."""
    dashboard = Dashboard(LiveBook(book), options, Curves(book.workspace))
    config = uvicorn.Config(
        build_app(dashboard),
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    dashboard.stopping = lambda: server.should_exit
    return server
