"""Start, join and follow the processes that train one case together.

Rank 0 checks the run, then the others join it: started here on the devices of this machine, or by
torchrun or srun, whose variables say so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.episodes.manifest import read_manifest
from mobile_vla.messages.errors import UserError
from mobile_vla.runs.environment import packages
from mobile_vla.runs.events import EventLog, Exit
from mobile_vla.runs.files import open_own
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.process import end_with_parent
from mobile_vla.runs.workspace import Workspace
from mobile_vla.study.case_file import read_case
from mobile_vla.training.compile_and_checkpointing import speed_up
from mobile_vla.training.console import LOG, console_to
from mobile_vla.training.launch import launch
from mobile_vla.training.preflight import Checklist, CheckResult, check_inputs, check_paths
from mobile_vla.training.rank_group import ALONE, RankGroup, join
from mobile_vla.training.stop_signals import stop_on_signals

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from mobile_vla.study.models import ResolvedCase
    from mobile_vla.training.setup import CheckedRun
    from mobile_vla.training.train_state import Model

ENDING_SECONDS = 10.0
PLACE_VARIABLES = (
    "MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "RANK",
    "LOCAL_RANK",
)  # fmt: skip
GRACE_SECONDS = 30.0
"""Between a rank's death and the end of a run whose other ranks still wait for it."""


def check_ranks(checklist: Checklist, case: ResolvedCase, *, resume: bool) -> bool:
    """Whether as many processes were started as the profile asks for, and no rank is left idle."""

    def ranks() -> CheckResult:
        started = launch()
        per_step = case.recipe.batch * case.recipe.accumulate
        if started.size == 1 and case.nodes > 1:
            raise UserError(
                f"The profile has {case.nodes} nodes: start `mvla train` on each, with torchrun or "
                "srun, in a workspace that all of them share."
            )
        if started.size > 1 and started.size != case.ranks and not resume:
            raise UserError(
                f"{started.size} processes were started, and the profile has {case.nodes} × "
                f"{case.devices}: set its devices and nodes, or start as many."
            )
        size = started.ranks(case.ranks)
        if size > per_step:
            raise UserError(
                f"{size} ranks share {per_step} episodes a step, so some would have none: use "
                "fewer devices, or a larger batch or accumulate."
            )
        return f"{size} processes train together", {"ranks": float(size)}

    return checklist.run("ranks", ranks)


@dataclass(frozen=True, slots=True)
class Rank0:
    """What rank 0 tells the others: the run, and the packages that all must have."""

    run: Path
    workspace: Path
    resume: bool
    packages: dict[str, str]


@dataclass(slots=True)
class LocalRanks:
    """The processes of ranks 1, 2 … that rank 0 started on this machine; none under a launcher."""

    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    closed: threading.Event = field(default_factory=threading.Event)

    def lost(self, seconds: float = 0.0) -> str | None:
        """Which rank ended by a fault, and how; None where all live for `seconds` more."""
        end = time.monotonic() + seconds
        while True:
            for rank, process in self.processes.items():
                if code := process.poll():
                    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
                    return f"Rank {rank} (process {process.pid}) ended by {how}"
            if not self.processes or time.monotonic() > end:
                return None
            self.closed.wait(0.1)

    def watch(self, events: EventLog) -> None:
        """End this process where a rank is dead and the others wait for it in a library's call."""
        while not self.closed.wait(1.0):
            if (lost := self.lost()) and not self.closed.wait(GRACE_SECONDS):
                reason = _lost(lost, events.path.parent)
                ended = Exit(outcome="exception", step=0, reason=reason, exception="RankLost")
                try:
                    print(reason, file=sys.stderr)
                    events.append(ended)
                finally:  # a full disk must not keep the run waiting
                    os._exit(1)

    def end(self) -> None:
        """Wait for all; those that do not end by themselves are killed."""
        self.closed.set()
        for process in self.processes.values():
            try:
                process.wait(ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name in PLACE_VARIABLES if self.processes else ():
            os.environ.pop(name, None)


class RankLost(UserError):
    """A rank ended before the run did."""


@contextlib.contextmanager
def all_ranks(
    checked: CheckedRun,
    run: RunFolder,
    case: ResolvedCase,
    workspace: Workspace,
    events: EventLog,
) -> Iterator[tuple[CheckedRun, RankGroup]]:
    """Rank 0 with the model as all ranks train it, while the block runs.

    Raises:
        RankLost: a rank that this process started ended before the run did.
    """
    if launch().ranks(case.ranks) == 1:
        yield checked, ALONE
        return
    started = LocalRanks() if launch().size > 1 else _start(run, case)
    threading.Thread(target=started.watch, args=(events,), daemon=True).start()
    try:
        fabric = join(case.recipe.precision)
        here = Rank0(run.path, workspace.path, checked.resume, packages())
        fabric.broadcast(here)
        model, world = _distribute(checked.model, fabric)
        yield replace(checked, model=model), world
    except RuntimeError as error:  # what a collective raises where its peer is gone
        if (lost := started.lost(ENDING_SECONDS)) is None:
            raise
        with contextlib.suppress(OSError):  # a fault of this rank's own must stay in the log
            os.write(LOG, traceback.format_exc().encode(errors="replace"))
        raise RankLost(_lost(lost, run.path), exit_code=1) from error
    finally:
        _leave()
        started.end()


def _lost(lost: str, run: Path) -> str:
    return f"{lost}, so training stopped: see console.rank*.log in {run}, then resume the run."


def _distribute(model: Model, fabric: Fabric) -> tuple[Model, RankGroup]:
    """The model as all processes train it: every rank has rank 0's weights."""
    fabric.strategy.precision.load_state_dict(model.fabric.strategy.precision.state_dict())
    module, optimizer = fabric.setup(model.policy, model.optimizer.optimizer)
    world = RankGroup(fabric.global_rank, fabric.world_size, fabric)
    return replace(model, fabric=fabric, module=module, optimizer=optimizer), world


def _start(run: RunFolder, case: ResolvedCase) -> LocalRanks:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    size = str(case.ranks)
    common = dict(zip(PLACE_VARIABLES, ("127.0.0.1", str(port), size, size, "0"), strict=False))
    started = LocalRanks()
    for rank in range(1, case.ranks):
        place = common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        with open(
            open_own(rank_log(run, rank), os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab"
        ) as log:
            started.processes[rank] = subprocess.Popen(
                [sys.executable, "-m", "mobile_vla.training.ranks"],
                env=os.environ | place,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
    os.environ |= common | {"RANK": "0", "LOCAL_RANK": "0"}
    return started


def rank_log(run: RunFolder, rank: int) -> Path:
    """What the process of a rank other than 0 prints."""
    return run.path / f"console.rank{rank}.log"


def _leave() -> None:
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def follow() -> None:
    """Train as a rank other than 0, which writes all but this rank's console log.

    Raises:
        UserError: the run cannot be read or trained here.
    """
    leader = join("32-true").broadcast(Rank0(Path(), Path(), False, {}))
    run, stop = RunFolder(leader.run), threading.Event()
    require_same_node(leader)
    with console_to(rank_log(run, launch().rank), also_terminal=False), stop_on_signals(stop):
        try:
            _train(run, Workspace(leader.workspace), leader.resume, stop)
        except Exception:
            traceback.print_exc()
            raise
        finally:
            _leave()


def require_same_node(leader: Rank0) -> None:
    """Refuse a node that does not see the run folder, or would compute with other packages.

    Raises:
        UserError: it says which.
    """
    rank, host = launch().rank, socket.gethostname()
    if not leader.run.is_dir():
        raise UserError(
            f"Rank {rank} on {host} does not see {leader.run}: give all nodes the same workspace."
        )
    mine, theirs = packages(), leader.packages
    differing = sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))
    if differing:
        pairs = ", ".join(f"{n} {mine.get(n)} here, {theirs.get(n)} there" for n in differing)
        raise UserError(
            f"Rank {rank} on {host} has other packages than rank 0 ({pairs}): install the same."
        )


def _train(run: RunFolder, workspace: Workspace, resume: bool, stop: threading.Event) -> None:
    import torch

    from mobile_vla.training.loop import fit
    from mobile_vla.training.setup import CheckedRun, assemble, build_model, restore_position
    from mobile_vla.training.train_state import Position

    case, checklist, manifest = read_case(run.case_yaml), Checklist([]), read_manifest(run.manifest)
    ready = check_inputs(checklist, case, manifest, workspace, check_paths(checklist, case))
    model = build_model(checklist, case, ready)
    if resume:
        position = restore_position(checklist, run, model, case)
    else:
        position = Position()
        torch.manual_seed(hash((case.recipe.seed, launch().rank)) % 2**63)
    speed_up(model.policy.backbone.network, case.recipe)
    model, world = _distribute(model, join(case.recipe.precision))
    training, position = assemble(
        CheckedRun(model, position, manifest, resume), run, case, workspace, None,
        stop=stop, progress=lambda done, total, note: None, world=world,
    )  # fmt: skip
    fit(training, position)


if __name__ == "__main__":
    end_with_parent(signal.SIGKILL)
    follow()
