"""States of a study that a report has to show, made with real run folders."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mobile_vla.runs.events import Heartbeat
from mobile_vla.runs.process import this_process

if TYPE_CHECKING:
    from run_folders import Maker, RunMaker


def nothing_trained(maker: Maker) -> None:
    """No run folder at all."""


def running(maker: Maker, name: str = "left_10") -> RunMaker:
    run = maker.begin(name, process=this_process())
    run.log(Heartbeat(step=3, epoch=0), seconds=3500)
    return run


def queued(maker: Maker) -> None:
    """A folder is prepared and no process has started."""
    maker.begin("left_10").folder.events.unlink()


def killed(maker: Maker) -> None:
    maker.begin("left_10").train(epochs=4)


def killed_before_its_checkpoint_was_logged(maker: Maker) -> None:
    run = maker.begin("left_10")
    run.log(Heartbeat(step=3, epoch=0))
    weights = run.folder.checkpoints / "step-000003" / "policy.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(maker.safetensors([1.0]))
    run.folder.latest.symlink_to("step-000003")


def failed(maker: Maker) -> None:
    maker.begin("left_10").exit("exception", "RuntimeError: CUDA out of memory", step=7)


def checkpoint_gone(maker: Maker) -> None:
    run = maker.finish("left_10")
    for weights in run.folder.checkpoints.glob("*/policy.safetensors"):
        weights.unlink()


def checkpoint_changed(maker: Maker) -> None:
    run = maker.finish("left_10")
    for weights in run.folder.checkpoints.glob("*/policy.safetensors"):
        weights.write_bytes(maker.safetensors([7.0]))


def finished_and_running_again(maker: Maker) -> None:
    maker.finish("left_10")
    running(maker, "left_10")


def several_runs(maker: Maker) -> None:
    """A refused attempt, then a finished one, and another case beside it."""
    maker.begin("robot_10").exit("refused", "no/such.pt does not exist", step=0)
    maker.finish("robot_10", attempt=1)
    maker.finish("left_10")


def no_rollouts(maker: Maker) -> None:
    """Trained to the end, never evaluated and never driven."""
    run = maker.begin("left_10")
    run.train()
    run.exit("finished")


STATES: tuple[Callable[[Maker], object], ...] = (
    nothing_trained, queued, running, killed, killed_before_its_checkpoint_was_logged, failed,
    checkpoint_gone, checkpoint_changed, finished_and_running_again, several_runs, no_rollouts,
)  # fmt: skip
