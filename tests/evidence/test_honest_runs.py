"""Runs that were killed, resumed, moved, copied and packed show no break."""

from __future__ import annotations

import random
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mobile_vla.evidence.run_view import view_run
from mobile_vla.evidence.verify_files import verify_files
from mobile_vla.messages.catalogue import sentence
from mobile_vla.runs.events import (
    Checkpoint,
    Epoch,
    Evaluated,
    Evaluating,
    EventLog,
    Exit,
    Heartbeat,
    Preflight,
    Start,
    file_hashes,
)
from mobile_vla.runs.files import write_json
from mobile_vla.runs.metrics_csv import MetricsFile
from mobile_vla.seal.check_seal import folder_problems
from mobile_vla.seal.statement import SEALED_STATES, state_run
from run_folders import Maker, RunMaker

EPOCHS, STEPS = 3, 4
INPUTS = ("case.yaml", "manifest.json", "load_report.json", "environment.json")
RUNS = 200


class Killed(Exception):
    """The process is gone."""


class Process:
    """Trains and evaluates as the training side does; dies after `life` writes."""

    def __init__(self, run: RunMaker, draw: random.Random, life: int) -> None:
        self.run, self.draw, self.life = run, draw, life
        self.events = EventLog(run.folder.events)
        self.folder = run.folder.path

    def tick(self, growing: Path | None = None) -> None:
        """One more write; the last one may be cut anywhere in its line."""
        self.life -= 1
        if self.life:
            return
        if growing is not None:
            data = growing.read_bytes()
            line = len(data) - (data.rfind(b"\n", 0, -1) + 1)
            growing.write_bytes(data[: len(data) - self.draw.randrange(line + 1)])
        raise Killed

    def log(self, event: object) -> None:
        head = self.folder / "events.head"
        before = head.read_bytes() if head.exists() else None
        self.run.now = self.run.now.replace()
        self.events.append(event)  # type: ignore[arg-type]
        try:
            self.tick(self.run.folder.events)
        except Killed:
            if before is None:
                head.unlink(missing_ok=True)
            else:
                head.write_bytes(before)
            raise

    def train(self, resumed_at: int | None) -> None:
        folder = self.run.folder
        self.log(Start(process=Maker.gone(), argv=["mvla"], resumed_at_step=resumed_at))
        if resumed_at is None:
            (self.folder / "load_report.json").unlink(missing_ok=True)
            self.tick()
            write_json(folder.load_report, self.run.report())
        self.log(Preflight(checks=[], total_steps=EPOCHS * STEPS,
                           files=file_hashes(self.folder, INPUTS)))  # fmt: skip
        metrics = MetricsFile(folder.metrics, keep_to_step=resumed_at)
        self.tick()
        for step in range((resumed_at or 0) + 1, EPOCHS * STEPS + 1):
            metrics.append(epoch=(step - 1) // STEPS, step=step, train_loss=self.draw.random())
            self.tick(folder.metrics)
            self.log(Heartbeat(step=step, epoch=(step - 1) // STEPS))
            if step % STEPS == 0:
                self.end_epoch(metrics, step)
        self.log(Exit(outcome="finished", step=EPOCHS * STEPS, reason="done",
                      files={"metrics.csv": metrics.written()}))  # fmt: skip

    def end_epoch(self, metrics: MetricsFile, step: int) -> None:
        epoch, loss = step // STEPS - 1, 1 / step
        metrics.append(epoch=epoch, step=step, val_loss=loss)
        self.tick(self.run.folder.metrics)
        self.log(Epoch(epoch=epoch, step=step, train_loss=0.5, val_loss=loss, seconds=1.0,
                       files={"metrics.csv": metrics.written()}))  # fmt: skip
        name = f"step-{step:06d}"
        weights = self.run.folder.checkpoints / name / "policy.safetensors"
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.write_bytes(Maker.safetensors([1.0, float(step)]))
        (weights.parent / "resume.pt").write_bytes(b"state %d" % step)
        self.tick()
        for link in (self.run.folder.best, self.run.folder.latest):
            link.unlink(missing_ok=True)
            link.symlink_to(name)
        files = file_hashes(self.folder, [f"checkpoints/{name}/resume.pt"])
        (hashed,) = file_hashes(self.folder, [f"checkpoints/{name}/policy.safetensors"]).values()
        self.run.hash = hashed.blake3
        size = hashed.bytes + sum(file.bytes for file in files.values())
        self.log(Checkpoint(path=f"checkpoints/{name}/policy.safetensors", step=step, epoch=epoch,
                            bytes=size, blake3=hashed.blake3, val_loss=loss, best=True,
                            files=files))  # fmt: skip

    def evaluate(self) -> None:
        self.log(Evaluating(folder="evaluation"))
        self.run.evaluate(good=self.draw.random())
        self.tick()
        names = ["evaluation/offline.json", "evaluation/rollouts.json"]
        self.log(Evaluated(folder="evaluation", checkpoint_blake3=self.run.hash,
                           files=file_hashes(self.folder, names)))  # fmt: skip


def live(run: RunMaker, draw: random.Random) -> None:
    """Up to six processes one after another, the last of which may end in order."""
    run.folder.events.unlink()
    trained = False
    for _ in range(draw.randrange(1, 7)):
        process = Process(run, draw, draw.choice([draw.randrange(1, 60), 10_000]))
        try:
            if not trained:
                latest = run.folder.latest_step
                process.train(latest)
                trained = True
            process.evaluate()
        except Killed:
            continue


def packed(run: Path, there: Path) -> Path:
    with tarfile.open(there.with_suffix(".tar.gz"), "w:gz") as archive:
        archive.add(run, there.name)
    with tarfile.open(there.with_suffix(".tar.gz")) as archive:
        archive.extractall(there.parent, filter="data")
    return there


def moved(run: Path, there: Path) -> Path:
    return Path(shutil.move(run, there))


def copied(run: Path, there: Path) -> Path:
    return Path(shutil.copytree(run, there, symlinks=True, copy_function=shutil.copyfile))


def unmoved(run: Path, there: Path) -> Path:
    return run


def test_honest_runs_show_no_break(maker: Maker) -> None:
    states, sealed = set(), 0
    for seed in range(RUNS):
        draw = random.Random(seed)
        run = maker.begin("left_10")
        live(run, draw)
        ended = view_run(run.folder, maker.workspace, datetime.now(UTC)).state in SEALED_STATES
        statement = state_run(run.folder, maker.workspace) if ended else None
        sealed += ended
        carry = (unmoved, moved, copied, packed)[seed % 4]
        folder = carry(run.folder.path, run.folder.path.with_name(f"carried-{seed}"))
        check = verify_files(type(run.folder)(folder), maker.workspace)
        said = [sentence(p, "en") for p in check.problems if p.code.startswith("chain.")]
        assert not said, f"seed {seed}: {said}"
        assert statement is None or list(folder_problems(statement, folder)) == [], seed
        states.add(check.state)
        assert check.state in ("finished", "killed", "queued", "unknown"), (seed, check.problems)
    assert states >= {"finished", "killed"} and sealed > RUNS / 2, sealed


@pytest.mark.parametrize("name", ["metrics.csv", "evaluation/rollouts.json", "case.yaml"])
def test_the_same_runs_edited_are_a_break(maker: Maker, name: str) -> None:
    run = maker.begin("left_10")
    run.folder.events.unlink()
    process = Process(run, random.Random(1), 10_000)
    process.train(None)
    process.evaluate()
    file = run.folder.path / name
    file.write_bytes(file.read_bytes().replace(b"1", b"2", 1))
    check = verify_files(run.folder, maker.workspace)
    assert check.state == "unverified"
    assert any(name in sentence(problem, "ko") for problem in check.problems)
