"""Run folders as the training side leaves them, written through the record's own writers."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3

from mobile_vla.analysis.casebook import Casebook
from mobile_vla.episodes.manifest import Manifest, ManifestEpisode, write_manifest
from mobile_vla.runs.environment import Environment
from mobile_vla.runs.events import AnyEvent, Checkpoint, Epoch, EventLog, Exit, Heartbeat, Start
from mobile_vla.runs.files import hash_file, write_json
from mobile_vla.runs.folder import RunFolder, new_run
from mobile_vla.runs.load_report import LoadedSource, LoadReport, Trainable
from mobile_vla.runs.metrics_csv import MetricsFile
from mobile_vla.runs.process import Process, boot_id, this_process
from mobile_vla.runs.results import (
    EpisodeScore,
    EpisodeSet,
    Metric,
    Offline,
    Rollout,
    Rollouts,
    Scored,
    Swap,
)
from mobile_vla.study.case_file import write_case
from mobile_vla.study.load_study import load_study, resolve
from mobile_vla.study.models import ResolvedCase, Study

STUDY = """
study: small
title: {en: Small, ko: 작음}
robot: {action: [linear_x, linear_y], step: 0.4, full_speed: 1.15}
data: {train: small, evaluation: small_eval}
base: {epochs: 10, batch: 2, accumulate: 1, seed: 123}
nuisance: [host, wall_time, note]
profiles:
  laptop:
    note: {en: small, ko: 작음}
    vlms: {kosmos-2: vlm}
    inits: {robovlms: robovlms.pt}
    evaluation: {left: 2, right: 2}
    rollout_scenes: 4
cases:
  - {name: left_10, label: Case 1, vlm: kosmos-2, data: {left: 10}}
  - name: robot_10
    label: Case 2
    vlm: kosmos-2
    init: robovlms
    data: {left: 10}
    attempts: [{init_path: no/such.pt}, {}]
  - {name: both_20, label: Case 3, vlm: kosmos-2, data: {left: 10, right: 10}}
  - {name: robot_20, vlm: kosmos-2, init: robovlms, data: {left: 10, right: 10}, after: [robot_10]}
  - {name: both_10, role: control, vlm: kosmos-2, data: {left: 5, right: 5}}
  - {name: left_20, role: control, vlm: kosmos-2, data: {left: 20}, epochs_share: 0.5}
questions:
  - name: balance
    title: {en: balance, ko: 균형}
    factor: direction_balance
    pair: [left_10, both_20]
    fair_pair: [left_10, both_10]
  - name: vlm
    title: {en: pretraining, ko: 사전학습}
    factor: initial_weights
    pair: [left_10, robot_10]
  - name: amount
    title: {en: amount, ko: 양}
    factor: data_amount
    pair: [left_10, both_20]
    fair_pair: [left_10, left_20]
"""


def digest(text: str) -> str:
    return blake3(text.encode()).hexdigest()


def safetensors(values: list[float]) -> bytes:
    import numpy as np

    data = np.asarray(values, dtype="<f4").tobytes()
    entry = {"dtype": "F32", "shape": [len(values)], "data_offsets": [0, len(data)]}
    header = json.dumps({"__metadata__": {"step": "1"}, "head.weight": entry}).encode()
    return len(header).to_bytes(8, "little") + header + data


@dataclass
class Maker:
    """Writes runs of the small study below `workspace`, in any state."""

    workspace: Path
    study: Study
    path: Path
    now: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=1))

    @staticmethod
    def gone() -> Process:
        """A process of this boot that ended: its pid lives (it is this one) but began otherwise."""
        return Process(pid=os.getpid(), boot=boot_id(), started=1, host=this_process().host)

    @staticmethod
    def safetensors(values: list[float]) -> bytes:
        return safetensors(values)

    @staticmethod
    def digest(text: str) -> str:
        return digest(text)

    def book(self, profile: str | None = None) -> Casebook:
        return Casebook(self.workspace, self.study, profile, study_path=self.path)

    def resolved(self, name: str, attempt: int = 0) -> ResolvedCase:
        case = self.study.case(name)
        assert case is not None
        return resolve(self.study, case, "laptop", attempt, self.path)

    def begin(self, name: str, *, attempt: int = 0, process: Process | None = None) -> RunMaker:
        self.now += timedelta(minutes=1)
        case = self.resolved(name, attempt)
        folder = new_run(self.workspace / "runs", case.case, self.now)
        run = RunMaker(folder, case, self.now, EventLog(folder.events))
        run.write_inputs()
        run.log(
            Start(
                process=process or self.gone(), argv=["mvla"], total_steps=run.total, time=run.now
            )
        )
        return run

    def finish(self, name: str, *, attempt: int = 0, good: float = 1.0) -> RunMaker:
        run = self.begin(name, attempt=attempt)
        run.train()
        run.exit("finished")
        run.evaluate(good)
        return run


@dataclass
class RunMaker:
    folder: RunFolder
    case: ResolvedCase
    now: datetime
    events: EventLog
    hash: str = ""

    @property
    def train_count(self) -> int:
        return self.case.data.total * 4 // 5

    @property
    def total(self) -> int:
        return -(-self.train_count // self.case.recipe.batch) * self.case.recipe.epochs

    def log(self, event: AnyEvent, seconds: float = 1.0) -> None:
        self.now += timedelta(seconds=seconds)
        self.events.append(msgspec.structs.replace(event, time=self.now))

    def write_inputs(self) -> None:
        write_case(self.folder.case_yaml, self.case)
        write_manifest(self.folder.manifest, self.manifest())
        write_json(self.folder.load_report, self.report())
        write_json(self.folder.environment, Environment(
            version="0.1.0", making_blake3=digest("code"), commit="abc123", diff_blake2=None,
            python="3.11", platform="Linux", packages={"torch": "2"}, device="cpu",
            cpus=2, threads=1))  # fmt: skip

    def manifest(self) -> Manifest:
        episodes = [
            ManifestEpisode(
                id=f"{way}{number}", hash=digest(f"{way}{number}"), direction=way,
                told_by=["motion"], frames=18, split="val" if number % 5 == 0 else "train",
                source=f"{way}{number}.h5",
            )
            for way, count in self.case.data.by_direction().items()
            for number in range(count)
        ]  # fmt: skip
        return Manifest.of("small", 0.4, episodes)

    def report(self) -> LoadReport:
        sources = [("vlm", "vlm"), *([("init", "robovlms.pt")] if self.case.init else [])]
        return LoadReport(
            sources=tuple(
                LoadedSource(role=role, path=path, format="safetensors", bytes=1,
                             sha256=digest(path), loaded={"text": 1}, missing={}, unexpected={},
                             mismatched={})
                for role, path in sources
            ),
            tensors_hash=digest(str(sources)),
            trainable={"text": Trainable(tensors=1, parameters=10, names=("lora",))},
        )  # fmt: skip

    def train(self, epochs: int | None = None, *, final_loss: float = 0.1) -> None:
        count = epochs or self.case.recipe.epochs
        metrics = MetricsFile(self.folder.metrics)
        per_epoch = self.total // self.case.recipe.epochs
        for epoch in range(count):
            step = (epoch + 1) * per_epoch
            loss = final_loss * (count - epoch)
            self.log(Heartbeat(step=step, epoch=epoch))
            metrics.append(epoch=epoch, step=step, val_loss=loss)
            self.log(
                Epoch(
                    epoch=epoch, step=step, train_loss=loss, val_loss=loss, seconds=per_epoch * 0.5
                )
            )
        self.checkpoint(step, count - 1, final_loss)

    def checkpoint(self, step: int, epoch: int, loss: float) -> None:
        name = f"step-{step:06d}"
        weights = self.folder.checkpoints / name / "policy.safetensors"
        weights.parent.mkdir(parents=True)
        weights.write_bytes(safetensors([1.0, 2.0, float(step)]))
        for link in (self.folder.best, self.folder.latest):
            link.unlink(missing_ok=True)
            link.symlink_to(name)
        self.hash = hash_file(weights)
        self.log(Checkpoint(path=f"checkpoints/{name}", step=step, epoch=epoch,
                            bytes=weights.stat().st_size, blake3=self.hash, val_loss=loss,
                            best=True))  # fmt: skip

    def exit(self, outcome: str, reason: str = "all steps done", exception: str | None = None,
             step: int | None = None) -> None:  # fmt: skip
        self.log(Exit(outcome=outcome, step=self.total if step is None else step,  # type: ignore[arg-type]
                      reason=reason, exception=exception))  # fmt: skip

    def evaluate(self, good: float = 1.0, *, leaked: int = 0, name: str = "small_eval") -> None:
        """Twenty scenes, of which the share `good` succeeds; forty episodes with error 1 - good."""
        names = [digest(f"left{n + 1}") for n in range(leaked)]
        names += [digest(f"{name}{n}") for n in range(40 - leaked)]
        scores = [
            EpisodeScore(episode=e, direction="left",
                         values={"mae_linear_x": 1.1 - good + (n % 5) * 0.01})
            for n, e in enumerate(names)
        ]  # fmt: skip
        mae = [
            Metric(
                name="mae_linear_x", definition="mean |error|", unit="m/s", value=1.1 - good, n=40
            )
        ]
        replay = [msgspec.structs.replace(mae[0], value=0.5)]
        write_json(self.folder.offline, Offline(
            time=self.now, checkpoint="checkpoints/best", checkpoint_blake3=self.hash,
            set=EpisodeSet(name=name, hash=digest(name), episodes=names, left=20, right=20),
            policy=Scored(name="policy", metrics=mae, by_direction={}, episodes=scores),
            baselines=[Scored(name="replay_by_step", metrics=replay, by_direction={}, episodes=[])],
            swap=Swap(change=1.5, follows=0.95, n=40)))  # fmt: skip
        write_json(self.folder.rollouts, Rollouts(
            time=self.now, checkpoint="checkpoints/best", checkpoint_blake3=self.hash,
            simulator="sim 1", max_steps=25, rollouts=[
                Rollout(scene=scene, direction=way, success=scene < 20 * good, collision=False,
                        side=way, path_length=5.0, steps=18, path=[(0.0, 0.0)])
                for scene in range(20) for way in ("left", "right")
            ]))  # fmt: skip


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    path = tmp_path / "study.yaml"
    here = STUDY.replace(": vlm}", f": {tmp_path}/vlm}}").replace(
        ": robovlms.pt", f": {tmp_path}/robovlms.pt"
    )
    path.write_text(here)
    (tmp_path / "vlm").mkdir()
    (tmp_path / "robovlms.pt").write_bytes(b"weights")
    return Maker(tmp_path, load_study(path), path)


@pytest.fixture
def whole_study(maker: Maker) -> Maker:
    """Every case finished and evaluated, after Case 2's refused first attempt."""
    maker.finish("left_10")
    maker.begin("robot_10").exit("refused", "no/such.pt does not exist", step=0)
    maker.finish("robot_10", attempt=1)
    for name in ("both_20", "robot_20", "both_10", "left_20"):
        maker.finish(name, good=0.5)
    return maker
