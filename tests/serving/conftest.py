"""One server for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from mobile_vla.serving.served_policy import ServedPolicy, open_policy
from serving_server import RunningServer, serving
from small_lab import Lab


@pytest.fixture(scope="session")
def served(finished_lab: Lab) -> ServedPolicy:
    torch.set_num_threads(1)
    return open_policy(finished_lab.the_run("both_20").path)


@pytest.fixture(scope="session")
def policy_server(served: ServedPolicy) -> Iterator[RunningServer]:
    with serving(served) as running:
        yield running
