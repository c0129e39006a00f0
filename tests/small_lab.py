"""A small study on simulated episodes and the shipped VLM, trained by real processes.

Starting Python with torch takes many seconds, so the processes are forked from a server that has
imported what they need; each runs the command line's own `main`.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from safetensors.numpy import load_file

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.evidence.model import RunView
from mobile_vla.runs.events import AnyEvent, decode_events
from mobile_vla.runs.folder import RunFolder, find_runs
from mobile_vla.runs.metrics_csv import read_metrics
from mobile_vla.runs.workspace import Workspace
from mobile_vla.study.load_study import load_study, resolve
from mobile_vla.study.models import ResolvedCase

if TYPE_CHECKING:
    from mobile_vla.training.train_state import Training

DEADLINE = 120.0
POLL = 0.001
POLLING = threading.Lock()
"""Held while exit codes are asked for: a start polls all processes, and a code can be read once."""
SIZE = (64, 64)
STUDY = """
study: small
title: {en: Small, ko: 작음}
robot: {action: [linear_x, linear_y], step: 0.4, full_speed: 1.15}
data: {train: small, evaluation: small_eval}
base:
  window: 8
  chunk: 4
  lora: {r: 4, alpha: 8, dropout: 0.1}
  head: {hidden: 16, layers: 1}
  learning_rate: 3e-3
  epochs: 3
  batch: 2
  accumulate: 2
  seed: 1
profiles:
  laptop:
    note: {en: small, ko: 작음}
    vlms: {tiny: "package:kosmos2-tiny"}
    inits: {robot: "weights/robot.pt"}
    evaluation: {left: 4, right: 4}
    rollout_scenes: 2
cases:
  - {name: left_10, label: Case 1, vlm: tiny, data: {left: 10}}
  - name: robovlms_10
    label: Case 2
    vlm: tiny
    init: robot
    data: {left: 10}
    attempts: [{init_path: wieghts/robto.pt}]
  - {name: both_20, label: Case 3, vlm: tiny, data: {left: 10, right: 10}}
  - {name: robovlms_bare, vlm: tiny, data: {left: 10}}
"""


def run_main(arguments: Sequence[str], folder: Path) -> None:
    """A process of its own group: `mvla ARGUMENTS`, its output in `folder`."""
    import torch

    from mobile_vla.cli.main import main

    os.setsid()
    torch.set_num_threads(1)
    os.chdir(folder)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["mvla", *arguments]
    sys.exit(main(arguments))


def until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
    """What `condition` gives once it gives something; fails at the deadline."""
    end = time.monotonic() + deadline
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not happen within {deadline} s"
        time.sleep(POLL)  # what is waited for needs the core
    return found


@dataclass
class Started:
    """A running command."""

    process: Any
    folder: Path

    def send(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> int:
        """Its exit status; minus the signal that killed it."""
        until(lambda: not self.running, "its end")
        return int(self.process.exitcode)

    @property
    def running(self) -> bool:
        with POLLING:
            return bool(self.process.is_alive())

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def faults(self) -> list[str]:
        """What it said to its user: a line each, and no traceback."""
        assert "Traceback" not in self.stderr, self.stderr
        lines = self.stderr.splitlines()
        return [line.removeprefix("mvla: ") for line in lines if line.startswith("mvla: ")]

    def sentence(self) -> str:
        """What it said to its user: one line, and no traceback."""
        (said,) = self.faults()
        return said


@dataclass
class Lab:
    """A workspace with data, a study file and the processes that work in it."""

    path: Path
    context: Any
    text: str = STUDY
    started: list[Started] = field(default_factory=list)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.path)

    @property
    def study(self) -> Path:
        return self.path / "study.yaml"

    def change(self, old: str, new: str) -> None:
        """Another study text: `old` in it becomes `new`."""
        assert old in self.text
        self.text = self.text.replace(old, new)
        self.study.write_text(self.text)

    def start(self, *arguments: str, workspace: Path | None = None) -> Started:
        """Run a command of the study here."""
        where = ("--study", str(self.study), "--workspace", str(workspace or self.path))
        return self.start_bare(*arguments, *where)

    def start_bare(self, *arguments: str) -> Started:
        """Run a command that takes no study."""
        folder = self.path / f"process-{len(self.started)}"
        folder.mkdir()
        process = self.context.Process(target=run_main, args=(list(arguments), folder))
        with POLLING:
            process.start()
        self.started.append(Started(process, folder))
        return self.started[-1]

    def run(self, *arguments: str, workspace: Path | None = None) -> Started:
        """The same, waited for."""
        started = self.start(*arguments, workspace=workspace)
        started.end()
        return started

    def runs(self, case: str) -> list[RunFolder]:
        return list(find_runs(self.workspace.runs / case))

    def the_run(self, case: str) -> RunFolder:
        (run,) = self.runs(case)
        return run

    def resolved(self, name: str) -> ResolvedCase:
        study = load_study(self.study)
        case = study.case(name)
        assert case is not None
        return resolve(study, case, "laptop", 0, self.study)

    def training(self, case: str = "both_20") -> Training:
        """A new run of the case in this process, prepared and not begun."""
        from mobile_vla.runs.events import EventLog
        from mobile_vla.training.data import case_manifest
        from mobile_vla.training.preflight import Checklist
        from mobile_vla.training.run import begin_run
        from mobile_vla.training.setup import assemble, check_run

        resolved = self.resolved(case)
        run = begin_run(resolved, self.workspace)
        manifest = case_manifest(resolved, self.workspace)
        checked = check_run(
            run,
            resolved,
            manifest,
            self.workspace,
            Checklist([]),
            paths_exist=(True, True),
            resume=False,
        )
        training, _ = assemble(
            checked, run, resolved, self.workspace, EventLog(run.events), stop=threading.Event(),
            progress=lambda done, total, note: None,
        )  # fmt: skip
        return training

    def judged(self, case: str) -> RunView:
        """What the casebook says of the case's only run."""
        study = load_study(self.study)
        view = Casebook(self.path, study, "laptop", study_path=self.study).case(case)
        (run,) = view.runs
        assert view.state == run.state
        return run

    def when(self, case: str, kind: type[AnyEvent], count: int = 1) -> RunFolder:
        """Wait until the case's run has `count` events of a kind."""
        runs = until(lambda: self.runs(case), "a run folder")
        path = runs[-1].events
        until(lambda: path.exists() and len(events_of(path, kind)) >= count, f"{count} {kind}")
        return runs[-1]

    def nothing_half_written(self) -> None:
        assert not [path for path in self.path.rglob("*.part")]


def events_of(path: Path, kind: type[AnyEvent]) -> list[Any]:
    return [line.event for line in decode_events(path.read_bytes()) if isinstance(line.event, kind)]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten left and ten right episodes, and eight to evaluate on; a cache that fills."""
    from mobile_vla.simulator.simulate import simulate_dataset

    folder = tmp_path_factory.mktemp("shared")
    for name, count, seed, split in (("small", 10, 1, True), ("small_eval", 4, 2, False)):
        simulate_dataset(
            folder / "data" / name,
            left=count, right=count, seed=seed, image_size=SIZE, split=split,
        )  # fmt: skip
    (folder / "cache").mkdir()
    return folder


@pytest.fixture(scope="session")
def server(shared: Path) -> Any:
    """Where processes are forked from; the renderer is chosen by now."""
    from mobile_vla.cluster.local import PRELOADED

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED, "small_lab", "mobile_vla.evaluation.offline"])
    return context


def furnish(path: Path, shared: Path, context: Any, *, own: bool = False) -> Lab:
    """A workspace on the shared data; `own`: with copies that may be spoiled."""
    path.mkdir(parents=True, exist_ok=True)
    if own:
        shutil.copytree(shared / "data", path / "data")
    else:
        (path / "data").symlink_to(shared / "data")
        (path / "cache").symlink_to(shared / "cache")
    (path / "study.yaml").write_text(STUDY)
    return Lab(path, context)


def _dismiss(lab: Lab) -> None:
    for started in lab.started:
        if started.running:
            os.kill(started.process.pid, signal.SIGKILL)
        started.process.join()


@pytest.fixture
def lab(tmp_path: Path, shared: Path, server: Any) -> Any:
    lab = furnish(tmp_path / "ws", shared, server)
    yield lab
    _dismiss(lab)


@pytest.fixture
def own_lab(tmp_path: Path, shared: Path, server: Any) -> Any:
    """A workspace whose data are copies and whose cache is empty."""
    lab = furnish(tmp_path / "ws", shared, server, own=True)
    yield lab
    _dismiss(lab)


@pytest.fixture(scope="session")
def finished_lab(tmp_path_factory: pytest.TempPathFactory, shared: Path, server: Any) -> Any:
    """Case 3 trained and evaluated, undisturbed. Look, but do not write."""
    lab = furnish(tmp_path_factory.mktemp("finished") / "ws", shared, server)
    assert lab.run("train", "Case 3").end() == 0, lab.started[-1].stderr
    assert lab.run("evaluate", "Case 3").end() == 0, lab.started[-1].stderr
    yield lab
    _dismiss(lab)


def require_same(run: RunFolder, undisturbed: RunFolder) -> None:
    """The same last and best weights to the bit, the same curves, each step once."""
    for link in ("latest", "best"):
        ours = load_file(run.checkpoints / link / "policy.safetensors")
        wanted = load_file(undisturbed.checkpoints / link / "policy.safetensors")
        assert ours.keys() == wanted.keys()
        assert all(ours[name].tobytes() == wanted[name].tobytes() for name in wanted)
    mine, theirs = read_metrics(run.metrics), read_metrics(undisturbed.metrics)
    for column in ("epoch", "step", "train_loss", "val_loss", "learning_rate", "grad_norm"):
        assert mine[column] == theirs[column], column


def json_of(text: str) -> Any:
    return msgspec.json.decode(text.encode())
