"""The work on one case: train (or resume) its run, then evaluate it, in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.events import Exit, Start, skim_events
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.process import end_with_parent
from mobile_vla.runs.workspace import Workspace

if TYPE_CHECKING:
    from mobile_vla.training.train_state import Progress


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job does: paths are absolute, and every node of a cluster sees them.

    `scenes`: how many the policy is driven on.
    """

    run: str
    workspace: str
    scenes: int

    def command(self) -> list[str]:
        """The command line that does it."""
        return [sys.executable, "-m", "mobile_vla.cluster.job", msgspec.json.encode(self).decode()]


def work(spec: JobSpec, progress: Progress = lambda done, total, note: None) -> int:
    """Do a job with one torch thread; 0 when the case is trained and evaluated.

    A run that began goes on, and one that is trained is only evaluated: an engine may start a job
    again. What goes wrong stands in the run's record and console log.
    """
    import torch

    from mobile_vla.evaluation.evaluate import evaluate_run
    from mobile_vla.training.run import train

    torch.set_num_threads(1)
    run, workspace = RunFolder(Path(spec.run)), Workspace(Path(spec.workspace))
    try:
        if not is_trained(run):
            resume = run.events.exists()
            ended = train(run, workspace, resume=resume, terminal=False, progress=progress)
            if ended.outcome != "finished":
                return 1
    except UserError:
        return 1
    try:
        evaluate_run(run, workspace, spec.scenes)
    except UserError as error:
        with open(run.console, "a", encoding="utf-8") as log:
            print(*error.faults, sep="\n", file=log)
        return 1
    return 0


def is_trained(run: RunFolder) -> bool:
    """Whether the last process that trained it recorded that it finished."""
    if not run.events.exists():
        return False
    events = [line.event for line in skim_events(run.events)]
    last = [event for event in events if isinstance(event, Start | Exit)][-1:]
    return any(isinstance(event, Exit) and event.outcome == "finished" for event in last)


if __name__ == "__main__":
    end_with_parent()
    sys.exit(work(msgspec.json.decode(sys.argv[1], type=JobSpec)))
