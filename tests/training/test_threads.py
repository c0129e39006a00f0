"""How many threads a model gets: one where it is small, and what the user says in any case."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from mobile_vla.training.malloc import SMALL, fit_threads


@pytest.fixture(autouse=True)
def several() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("parameters", "told", "threads"), [(SMALL - 1, None, 1), (SMALL, None, 3), (1, "3", 3)]
)
def test_a_small_model_gets_one_thread_unless_the_user_decides(
    monkeypatch: pytest.MonkeyPatch, parameters: int, told: str | None, threads: int
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    fit_threads(parameters)
    assert torch.get_num_threads() == threads
