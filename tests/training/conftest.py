"""What the tests of training share: one torch thread, and a small lab in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from small_lab import Lab, furnish


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(threads)


@pytest.fixture
def here(tmp_path: Path, shared: Path) -> Lab:
    """A lab whose cases are trained in this process."""
    return furnish(tmp_path / "ws", shared, None)
