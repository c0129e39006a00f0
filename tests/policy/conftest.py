"""A small VLM with random weights, built once for all tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.policy.heads import make_head
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.normalisation import action_statistics
from mobile_vla.policy.policy import Policy
from mobile_vla.policy.small_vlm import small_network, small_processor
from small_weights import build_small_vlm


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield


@pytest.fixture(scope="session")
def vlm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_vlm(tmp_path_factory.mktemp("vlm") / "small", seed=3)


@pytest.fixture
def backbone() -> Kosmos2Backbone:
    tokenizer = small_processor().tokenizer
    return Kosmos2Backbone(small_network(len(tokenizer), seed=3), tokenizer)


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)


@pytest.fixture
def policy(backbone: Kosmos2Backbone) -> Policy:
    torch.manual_seed(1)
    head = make_head("lstm", 64, hidden=32, layers=1, chunk=5, action_dim=2)
    speeds = np.array([[1.15, -1.15, 0.0], [0.0, 0.5, 0.0]], np.float32)
    return Policy(backbone, head, action_statistics([speeds])).eval()
