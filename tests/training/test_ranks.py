"""Two processes train one case as one process does; a rank that dies ends the run by name."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.environment import packages
from mobile_vla.runs.events import Checkpoint, Epoch, Exit
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.metrics_csv import read_metrics
from mobile_vla.training.rank_group import RankGroup
from mobile_vla.training.ranks import Rank0, require_same_node
from small_lab import Lab, events_of, furnish, require_same, until

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(lab: Lab) -> Lab:
    """A laptop profile and one of two devices. Seven episodes a step leave one for the last."""
    lab.change("dropout: 0.1", "dropout: 0.0")
    lab.change("batch: 2\n  accumulate: 2", "batch: 1\n  accumulate: 7")
    profile = lab.text[lab.text.index("  laptop:") : lab.text.index("cases:")]
    two = profile.replace("  laptop:", "  pair:") + "    devices: 2\n"
    lab.change("cases:", two + "cases:")
    return lab


def weights(run: RunFolder) -> dict[str, np.ndarray]:
    return load_file(run.checkpoints / "latest" / "policy.safetensors")


def require_alike(one: RunFolder, two: RunFolder) -> None:
    """Losses and weights to 1e-5, each step once."""
    ours, theirs = weights(one), weights(two)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-5, err_msg=name)
    mine, other = read_metrics(one.metrics), read_metrics(two.metrics)
    assert mine["step"] == other["step"]
    for column in ("train_loss", "val_loss", "grad_norm", "learning_rate"):
        np.testing.assert_allclose(mine[column], other[column], atol=1e-5, err_msg=column)


def ranks_of(pid: int) -> list[int]:
    """Processes that rank 0 started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [p for p in map(int, children) if b"training.ranks" in cmdline(p)]


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def train_by_torchrun(
    pair: Lab, processes: int, *arguments: str
) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc-per-node", str(processes), "-m", "mobile_vla.cli.main",
        "train", "left_10", "--profile", "pair", "--study", str(pair.study),
        "--workspace", str(pair.path), *arguments,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


def test_two_ranks_train_as_one_process(pair: Lab) -> None:
    assert pair.run("train", "left_10").end() == 0, pair.started[-1].stderr
    (alone,) = pair.runs("left_10")
    assert pair.run("train", "left_10", "--profile", "pair").end() == 0, pair.started[-1].stderr
    (together,) = [run for run in pair.runs("left_10") if run.path != alone.path]
    require_alike(alone, together)
    assert len(events_of(together.events, Epoch)) == 3
    assert len(events_of(together.events, Checkpoint)) == 3
    (ended,) = events_of(together.events, Exit)
    assert ended.outcome == "finished"
    assert (together.path / "console.rank1.log").exists()
    assert "devices: 2" in together.case_yaml.read_text()


def test_ranks_average_and_probe_as_one_process(pair: Lab) -> None:
    pair.change("accumulate: 7", "accumulate: 7\n  ema: 0.9\n  patience: 3\n  probe: true")
    assert pair.run("train", "both_20").end() == 0, pair.started[-1].stderr
    (alone,) = pair.runs("both_20")
    assert pair.run("train", "both_20", "--profile", "pair").end() == 0, pair.started[-1].stderr
    (together,) = [run for run in pair.runs("both_20") if run.path != alone.path]
    require_alike(alone, together)
    mine, other = read_metrics(alone.metrics), read_metrics(together.metrics)
    for column in ("val_unheard", "probe_other"):
        assert len(mine[column]) == 3
        np.testing.assert_allclose(mine[column], other[column], atol=1e-5, err_msg=column)


def test_a_killed_rank_ends_the_run_by_its_name(pair: Lab) -> None:
    pair.change("epochs: 3", "epochs: 2000")
    started = pair.start("train", "left_10", "--profile", "pair")
    run = pair.when("left_10", Checkpoint)
    (rank,) = until(lambda: ranks_of(started.process.pid), "rank 1")
    os.kill(rank, signal.SIGKILL)
    assert started.end() == 1
    assert f"Rank 1 (process {rank}) ended by signal SIGKILL" in started.sentence()
    (ended,) = events_of(run.events, Exit)
    assert ended.exception == "RankLost"
    assert "console.rank*.log" in ended.reason
    assert "RuntimeError" in run.console.read_text(), "what rank 0 met stays in the log"


def test_no_rank_outlives_rank_0_and_a_resume_is_exact(pair: Lab) -> None:
    """With dropout: each rank's random numbers go on where the checkpoint left them."""
    pair.change("dropout: 0.0", "dropout: 0.1")
    pair.change("epochs: 3", "epochs: 30")
    assert pair.run("train", "left_10", "--profile", "pair").end() == 0, pair.started[-1].stderr
    (undisturbed,) = pair.runs("left_10")
    other = furnish(pair.path.with_name("other"), pair.path, pair.context)
    other.text = pair.text
    other.study.write_text(pair.text)
    started = other.start("train", "left_10", "--profile", "pair")
    run = other.when("left_10", Checkpoint, 2)
    (rank,) = until(lambda: ranks_of(started.process.pid), "rank 1")
    started.send(signal.SIGKILL)
    started.end()
    until(lambda: not Path(f"/proc/{rank}").exists() or not cmdline(rank), "the end of rank 1")
    assert not events_of(run.events, Exit), "it ended before it was killed"
    assert other.run("train", "left_10", "--profile", "pair", "--resume").end() == 0
    require_same(run, undisturbed)


def test_sigterm_saves_and_torchrun_goes_on_with_three_ranks(pair: Lab) -> None:
    pair.change("epochs: 3", "epochs: 60")
    started = pair.start("train", "left_10", "--profile", "pair")
    run = pair.when("left_10", Checkpoint)
    started.send(signal.SIGUSR1)
    assert started.end() == 1
    assert [e.outcome for e in events_of(run.events, Exit)] == ["interrupted"]
    done = train_by_torchrun(pair, 3, "--resume")
    assert done.returncode == 0, done.stderr
    assert "3 ranks go on where others stopped" in run.console.read_text()
    assert [e.outcome for e in events_of(run.events, Exit)] == ["interrupted", "finished"]
    metrics = read_metrics(run.metrics)
    trained = {line for line, _ in metrics["train_loss"]}
    steps = [step for line, step in metrics["step"] if line in trained]
    assert steps == list(range(1, 121))


def test_torchrun_of_another_size_than_the_profile_is_refused(pair: Lab) -> None:
    done = train_by_torchrun(pair, 3)
    assert done.returncode != 0
    assert "3 processes were started, and the profile has 1 × 2" in done.stderr


def test_more_ranks_than_episodes_a_step_are_refused(pair: Lab) -> None:
    pair.change("devices: 2", "devices: 8")
    assert pair.run("train", "left_10", "--profile", "pair").end() != 0
    assert "8 ranks share 7 episodes a step" in pair.started[-1].stderr


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 4, 7])
def test_each_item_is_one_rank_s(size: int, count: int) -> None:
    items = list(range(count))
    shares = [item for rank in range(size) for item in RankGroup(rank, size).share(items)]
    assert sorted(shares) == items


@pytest.mark.parametrize(
    ("package", "folder", "words"),
    [("1.0", "", "other packages than rank 0 (torch"), (None, "elsewhere", "does not see")],
)
def test_a_node_that_differs_is_refused(
    tmp_path: Path, package: str | None, folder: str, words: str
) -> None:
    theirs = packages() | ({"torch": package} if package else {})
    with pytest.raises(UserError, match=re.escape(words)):
        require_same_node(Rank0(tmp_path / folder, tmp_path, False, theirs))
    require_same_node(Rank0(tmp_path, tmp_path, False, packages()))
