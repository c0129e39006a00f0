"""The benchmark of a GPU runs to its end on any machine, and says what it ran on."""

from __future__ import annotations

import pytest
import torch
from benchmarks.gpu import main


@pytest.mark.slow
def test_it_runs_and_names_its_device(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "tiny"]) == 0
    said = capfd.readouterr().out
    assert ("no GPU here" in said) == (not torch.cuda.is_available())
    for figure in ("windows/s", "a control step", "against the CPU", "stopped and resumed"):
        assert figure in said
