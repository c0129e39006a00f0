"""A new user's first day: another program's data set becomes a judged comparison.

Everything goes through the command line, in an empty folder: a LeRobot v3 set of a differential
drive with its own column names and two cameras is imported, checked, trained on, killed, resumed,
evaluated and compared, and a page about it is audited.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from small_lab import until

FRAMES, FPS = 12, 2
FEATURES = {
    "observation.images.front": {"dtype": "image", "shape": [64, 64, 3], "names": None},
    "observation.images.rear": {"dtype": "image", "shape": [64, 64, 3], "names": None},
    "action": {"dtype": "float32", "shape": [3], "names": ["speed", "yaw_rate", "horn"]},
}
MAP = """
linear_x: speed
angular_z: {column: yaw_rate, unit: deg/s, flip: true}
"""
STUDY = """
study: day
title: {en: First day, ko: 첫날}
robot: {action: [linear_x, angular_z], step: 0.5, full_speed: 1.0, full_turn: 1.5}
data: {train: day, evaluation: day_eval}
base: {epochs: 40, batch: 2, accumulate: 1, window: 4, chunk: 4, learning_rate: 3e-3,
       lora: {r: 4, alpha: 8}, head: {hidden: 16, layers: 1}}
profiles:
  laptop:
    note: {en: recordings, ko: 녹화}
    vlms: {tiny: "package:kosmos2-tiny"}
    inits: {}
    evaluation: {left: 3, right: 3}
    rollout_scenes: 0
cases:
  - {name: left_only, vlm: tiny, data: {left: 10}}
  - {name: balanced, vlm: tiny, data: {left: 5, right: 5}}
questions:
  - name: balance
    title: {en: effect of balance, ko: 균형 효과}
    factor: direction_balance
    pair: [left_only, balanced]
"""
MAIN = "import sys; from mobile_vla.cli.main import main; sys.exit(main())"


def drive(rng: np.random.Generator, side: int) -> np.ndarray:
    """(T, 3) speeds in m/s, turns in degrees a second to the right, and a horn."""
    speed = rng.uniform(0.5, 0.9, FRAMES)
    turn = -side * rng.uniform(25, 40, FRAMES) * np.where(np.arange(FRAMES) < 6, 1, -1)
    return np.stack([speed, turn, np.zeros(FRAMES)], 1).astype(np.float32)


def picture(rng: np.random.Generator) -> dict[str, object]:
    small = Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8))
    buffer = io.BytesIO()
    small.resize((64, 64)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def write_lerobot(folder: Path, left: int, right: int, seed: int) -> None:
    """A LeRobotDataset v3.0 as a program of its own would write it, with pyarrow alone."""
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(seed)
    tasks = [f"go around the box on the {side} to the basket" for side in ("left", "right")]
    frames: list[dict[str, object]] = []
    rows = []
    for episode, side in enumerate([1] * left + [-1] * right):
        task = 0 if side > 0 else 1
        first = len(frames)
        for index, action in enumerate(drive(rng, side)):
            frames.append(
                {
                    "action": action.tolist(), "timestamp": index / FPS, "frame_index": index,
                    "episode_index": episode, "index": len(frames), "task_index": task,
                    "observation.images.front": picture(rng),
                    "observation.images.rear": picture(rng),
                }
            )  # fmt: skip
        rows.append(
            {
                "episode_index": episode, "length": FRAMES, "tasks": [tasks[task]],
                "data/chunk_index": 0, "data/file_index": 0,
                "dataset_from_index": first, "dataset_to_index": first + FRAMES,
            }
        )  # fmt: skip
    for name in ("data/chunk-000", "meta/episodes/chunk-000"):
        (folder / name).mkdir(parents=True)
    parquet.write_table(pa.Table.from_pylist(frames), folder / "data/chunk-000/file-000.parquet")
    meta = folder / "meta"
    parquet.write_table(pa.Table.from_pylist(rows), meta / "episodes/chunk-000/file-000.parquet")
    named = [{"task_index": index, "task": task} for index, task in enumerate(tasks)]
    parquet.write_table(pa.Table.from_pylist(named), meta / "tasks.parquet")
    info = {
        "codebase_version": "v3.0", "robot_type": "rover", "fps": FPS, "features": FEATURES,
        "total_episodes": left + right, "total_frames": len(frames), "total_tasks": 2,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
    }  # fmt: skip
    (meta / "info.json").write_text(json.dumps(info))


class Day:
    """The user's folder and shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", MAIN, *arguments], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def mvla(self, *arguments: str, status: int = 0) -> str:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=600)
        assert process.returncode == status, f"{arguments}\n{out}\n{err}"
        assert "Traceback" not in err
        return out + err


def kill_after_a_checkpoint(day: Day, case: str) -> None:
    process = day.start("train", case)
    latest = f"workspace/runs/{case}/*/checkpoints/latest"
    until(lambda: list(day.folder.glob(latest)) or process.poll() is not None, "a checkpoint")
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_a_day(tmp_path: Path) -> None:
    day = Day(tmp_path)
    write_lerobot(tmp_path / "rover", 10, 8, seed=1)
    write_lerobot(tmp_path / "rover_eval", 3, 3, seed=2)
    (tmp_path / "map.yaml").write_text(MAP)

    (tmp_path / "study.yaml").write_text(STUDY.replace("epochs:", "epoch:"))
    assert "did you mean `epochs`" in day.mvla("plan", status=2)
    (tmp_path / "study.yaml").write_text(STUDY)

    source = ("episodes", "import", "rover", "workspace/data/day", "--map", "map.yaml")
    assert "choose one of them with --camera" in day.mvla(*source, status=2)
    taken = day.mvla(*source, "--camera", "front")
    assert "now holds 18 (10 left, 8 right)" in taken
    evaluation = ("rover_eval", "workspace/data/day_eval", "--map", "map.yaml", "--camera", "front")
    day.mvla("episodes", "import", *evaluation, "--evaluation")
    assert "Nothing spoils training." in day.mvla("episodes", "check", "workspace/data/day")

    kill_after_a_checkpoint(day, "left_only")
    assert "killed" in day.mvla("status")
    day.mvla("train", "left_only", "--resume")
    day.mvla("train", "balanced")
    for case in ("left_only", "balanced"):
        assert "angular_z" in day.mvla("evaluate", case)
    cases = {case["name"]: case for case in json.loads(day.mvla("status", "--json"))}
    assert {case["state"] for case in cases.values()} == {"finished"}
    assert "left_only vs balanced: valid" in day.mvla("compare", "--all")

    page = "# Rover\n\n| run | epochs |\n| --- | --- |\n| left_only | 40 |\n| balanced | 41 |\n"
    (tmp_path / "page.md").write_text(page)
    audited = day.mvla("audit", "page.md", status=1)
    assert "contradicted" in audited
    day.mvla("audit", "page.md", "--fix")
    assert "| balanced | 40 ~~41~~" in (tmp_path / "page.md").read_text()
    day.mvla("report")
    assert "left_only" in (tmp_path / "workspace/report.md").read_text()
