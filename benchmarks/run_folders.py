"""Many run folders, written once through the record's own writers and then linked or copied."""

from __future__ import annotations

import json
import os
import shutil
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blake3 import blake3

from mobile_vla.episodes.manifest import Manifest, ManifestEpisode, write_manifest
from mobile_vla.runs.environment import describe
from mobile_vla.runs.events import Checkpoint, Epoch, EventLog, Exit, Heartbeat, Start
from mobile_vla.runs.files import hash_file, write_json
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.load_report import LoadedSource, LoadReport, Trainable
from mobile_vla.runs.metrics_csv import MetricsFile
from mobile_vla.runs.process import this_process
from mobile_vla.study.case_file import write_case
from mobile_vla.study.models import Counts, Recipe, ResolvedCase, RobotSettings, WeightSource

EPOCHS, STEPS, EPISODES = 10, 50, 50


def write_template(path: Path, case: str, seed: int) -> None:
    """A finished run: 50 steps, 10 epochs, 50 episodes, one checkpoint of 40 kB."""
    run = RunFolder(path)
    write_inputs(run, case, seed)
    _train(run)


def write_inputs(run: RunFolder, case: str, seed: int) -> None:
    """A run folder as it stands before the first event."""
    run.path.mkdir(parents=True)
    robot = RobotSettings(action=("linear_x", "linear_y"), step=0.4, full_speed=1.15)
    resolved = ResolvedCase(
        study="many", profile="laptop", case=case, attempt=0,
        vlm=WeightSource(name="vlm", path="vlm"),
        init=None, data=Counts(left=EPISODES), train_data="many", evaluation_data="many_eval",
        robot=robot, recipe=Recipe(seed=seed, epochs=EPOCHS),
    )  # fmt: skip
    write_case(run.case_yaml, resolved)
    write_manifest(run.manifest, Manifest.of("many", 0.4, [_episode(n) for n in range(EPISODES)]))
    source = LoadedSource(role="vlm", path="vlm", format="safetensors", bytes=1, sha256="0" * 64,
                          loaded={"text": 1}, missing={}, unexpected={}, mismatched={})  # fmt: skip
    trained = {"text": Trainable(tensors=1, parameters=10_000, names=("lora",))}
    report = LoadReport(sources=(source,), tensors_hash="0" * 64, trainable=trained)
    write_json(run.load_report, report)
    write_json(run.environment, describe(device="cpu", threads=1))


def _episode(number: int) -> ManifestEpisode:
    return ManifestEpisode(
        id=f"left{number}", hash=blake3(str(number).encode()).hexdigest(), direction="left",
        told_by=["motion"], frames=18, split="val" if number % 5 == 0 else "train",
        source=f"left{number}.h5",
    )  # fmt: skip


def _train(run: RunFolder) -> None:
    log, metrics = EventLog(run.events), MetricsFile(run.metrics)
    clock = datetime.now(UTC) - timedelta(hours=1)
    log.append(Start(process=this_process(), argv=["mvla"], total_steps=STEPS, time=clock))
    for step in range(1, STEPS + 1):
        clock += timedelta(seconds=1)
        epoch = (step - 1) * EPOCHS // STEPS
        metrics.append(epoch=epoch, step=step, train_loss=1 / step, learning_rate=1e-4)
        log.append(Heartbeat(step=step, epoch=epoch, time=clock))
        if step % (STEPS // EPOCHS) == 0:
            metrics.append(epoch=epoch, step=step, val_loss=1 / step)
            log.append(Epoch(epoch=epoch, step=step, train_loss=1 / step, val_loss=1 / step,
                             seconds=5.0, time=clock))  # fmt: skip
    weights = run.checkpoints / f"step-{STEPS:06d}" / "policy.safetensors"
    weights.parent.mkdir(parents=True)
    data = struct.pack("<10000f", *(0.5,) * 10_000)
    entry = {"lora": {"dtype": "F32", "shape": [10_000], "data_offsets": [0, len(data)]}}
    header = json.dumps(entry).encode()
    weights.write_bytes(len(header).to_bytes(8, "little") + header + data)
    for link in (run.best, run.latest):
        link.symlink_to(weights.parent.name)
    log.append(Checkpoint(path=f"checkpoints/{weights.parent.name}", step=STEPS, epoch=EPOCHS - 1,
                          bytes=weights.stat().st_size, blake3=hash_file(weights),
                          val_loss=1 / STEPS, best=True, time=clock))  # fmt: skip
    log.append(Exit(outcome="finished", step=STEPS, reason="all steps", time=clock))
    run.console.write_text("preflight: fine\n" * 20)


def make_runs(workspace: Path, count: int, *, cases: int = 20, linked: bool = False) -> None:
    """`count` runs of some cases; `linked`: hard links to twenty runs in place of copies."""
    templates = workspace / "templates"
    for number in range(cases):
        write_template(templates / f"case_{number:03d}", f"case_{number:03d}", number)
    for number in range(count):
        case = f"case_{number % cases:03d}"
        target = workspace / "runs" / case / f"20260101-{number // cases:06d}"
        copy = os.link if linked else shutil.copyfile
        shutil.copytree(templates / case, target, symlinks=True, copy_function=copy)
    shutil.rmtree(templates)
