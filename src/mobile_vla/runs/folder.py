"""Where each file of a run lies.

<runs>/<case>/<YYYYMMDD-HHMMSS>/
    case.yaml            the resolved case: what this run was asked to do
    manifest.json        the exact episodes of training and validation
    load_report.json     which weights were loaded, which tensors train
    environment.json     code, packages, device
    events.jsonl         start, preflight, heartbeat, epoch, checkpoint, exit, evaluated
    events.head          how far the events went at the last checkpoint, exit or evaluation
    metrics.csv          one row an optimiser step, one a validation
    console.log          all that the process printed
    checkpoints/         latest, best -> step-000200/{policy.safetensors, resume.pt}
    evaluation/          offline.json, rollouts.json, manifest.json, rollouts.png
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.files import explain_os_error


class _File:
    """A path below the run folder, made when asked for: a thousand runs have twelve each."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, run: RunFolder, kind: type | None = None) -> Path:
        return run.path / self.name


class RunFolder:
    """The paths of one run."""

    case_yaml = _File("case.yaml")
    manifest = _File("manifest.json")
    load_report = _File("load_report.json")
    environment = _File("environment.json")
    events = _File("events.jsonl")
    metrics = _File("metrics.csv")
    console = _File("console.log")
    checkpoints = _File("checkpoints")
    evaluation = _File("evaluation")
    offline = _File("evaluation/offline.json")
    rollouts = _File("evaluation/rollouts.json")
    evaluation_manifest = _File("evaluation/manifest.json")

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def latest(self) -> Path:
        """The newest whole checkpoint: a link that moves only after the write."""
        return self.checkpoints / "latest"

    @property
    def latest_step(self) -> int | None:
        """Optimiser steps done at the newest complete checkpoint, None where there is none.

        Raises: UserError where `latest` leads to anything but a `step-…` folder beside it.
        """
        if not self.latest.exists():
            return None
        folder = self.latest.resolve()
        step = folder.name.removeprefix("step-")
        if folder.parent != self.checkpoints.resolve() or not (step.isascii() and step.isdigit()):
            raise UserError(
                f"{self.latest} leads to {folder}, which is no step-… folder of this run: point it "
                "at one, or train the case anew."
            )
        return int(step)

    @property
    def best(self) -> Path:
        """The checkpoint of the lowest validation loss so far."""
        return self.checkpoints / "best"

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"


def new_run(runs: Path, case: str, now: datetime) -> RunFolder:
    """Create an empty run folder named for its start; a second one in that second gets `-2`."""
    name = now.strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        path = runs / case / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise explain_os_error(error, path) from error
        return RunFolder(path)
    raise UserError(
        f"{runs / case} already holds 999 runs begun in one second: use another folder."
    )


def find_runs(root: Path) -> Iterator[RunFolder]:
    """Every run folder below `root` (one with `events.jsonl` or `case.yaml`), in path order.

    Links to folders are not followed, so a loop of links ends. A folder that may not be read comes
    last, as a run of which nothing can be known.
    """
    refused: list[OSError] = []
    for folder, folders, files in os.walk(root, onerror=refused.append, followlinks=False):
        folders.sort()
        if "events.jsonl" in files or "case.yaml" in files:
            folders.clear()
            yield RunFolder(Path(folder))
    closed = [error for error in refused if isinstance(error, PermissionError)]
    yield from (RunFolder(Path(error.filename)) for error in closed)
