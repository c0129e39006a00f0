"""A process finds its place among the ranks by a launcher's variables, and by no others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mobile_vla.cli.main import main
from mobile_vla.messages.errors import UserError
from mobile_vla.training import ranks
from mobile_vla.training.launch import Launch, launch

SLURM = {"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_NNODES": "2", "SLURM_LOCALID": "1"}
TORCHRUN = {"RANK": "2", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "3", "LOCAL_RANK": "2"}


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SLURM, *TORCHRUN, "SLURM_STEP_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, Launch()),
        (TORCHRUN, Launch(2, 6, 2, 2)),
        (SLURM | {"SLURM_STEP_ID": "0"}, Launch(3, 4, 2, 1)),
        (SLURM, Launch()),
        (SLURM | {"SLURM_STEP_ID": "0"} | TORCHRUN, Launch(2, 6, 2, 2)),
        ({"RANK": "0"}, Launch()),
        ({"SLURM_STEP_ID": "0"}, Launch()),
    ],
    ids=["alone", "torchrun", "srun", "batch script", "torchrun by srun", "rank", "step"],
)
def test_the_place_of_a_process(
    variables: dict[str, str], place: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert launch() == place


def test_a_variable_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(UserError, match="RANK is 'first', not a number: unset it"):
        launch()


@pytest.mark.parametrize(("options", "followed"), [((), 1), (("--check",), 0)])
def test_another_rank_follows_where_rank_0_trains(
    options: tuple[str, ...], followed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank 0 joins nobody where it checks alone, so nobody may wait for it."""
    calls: list[None] = []
    monkeypatch.setattr(ranks, "follow", lambda: calls.append(None))
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert main(["train", "Case 1", *options]) == 0
    assert len(calls) == followed


def test_several_processes_do_not_train_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert main(["train", "--all"]) == 2
    assert "without torchrun or srun, or name a case" in capsys.readouterr().err


def test_torch_is_not_needed_to_find_it() -> None:
    code = "import sys; import mobile_vla.training.launch; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
