from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mobile_vla.dashboard.app import Dashboard, DashboardOptions, build_app
from mobile_vla.dashboard.curves import Curves
from mobile_vla.dashboard.live_book import LiveBook
from mobile_vla.dashboard.server import make_server
from mobile_vla.listening import bind
from run_folders import Maker


def client(maker: Maker, refresh: float = 0.0, **options: object) -> TestClient:
    """A browser without script at the dashboard of a made study."""
    live = LiveBook(maker.book(), refresh)
    dashboard = Dashboard(live, DashboardOptions(**options), Curves(maker.workspace))  # type: ignore[arg-type]
    return TestClient(
        build_app(dashboard), base_url="http://127.0.0.1:8080", raise_server_exceptions=False
    )


@pytest.fixture
def study(maker: Maker) -> Maker:
    """A finished case, one whose first attempt was refused, one that failed; a data set."""
    maker.finish("left_10")
    maker.begin("robot_10").exit("refused", "no/such.pt does not exist", step=0)
    maker.finish("robot_10", attempt=1)
    maker.finish("both_20", good=0.5)
    maker.begin("left_20").exit("exception", "RuntimeError: CUDA out of memory", step=7)
    return maker


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "page.md").write_text(
        "# Results\n\n| case | epochs | state |\n| --- | --- | --- |\n"
        "| Case 1 | 99 | finished |\n| Case 3 | 10 | finished |\n\n<img src=x onerror=alert(1)>\n"
    )
    return folder


@contextmanager
def listening(maker: Maker, **options: object) -> Iterator[str]:
    """The real server in a thread; its address."""
    with bind("127.0.0.1", 0) as listener:
        server = make_server(maker.book(), DashboardOptions(**options))  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
