"""Other people's clients, each in an environment of its own (`make test-clients`)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mobile_vla.policy.controller import Controller
from mobile_vla.runs.results import Rollouts, read_result
from mobile_vla.serving.served_policy import ServedPolicy
from serving_server import LEFT, RunningServer, noise
from small_lab import Lab

ROOT = Path(__file__).parents[2]
OPENPI = ROOT / ".venv-openpi" / "bin" / "python"
VLA_EVAL = ROOT / ".venv-vla-eval" / "bin" / "vla-eval"
CONFIG = """
server: {{url: "ws://127.0.0.1:{port}/vla-eval"}}
output_dir: {out}
benchmarks:
  - benchmark: mobile_vla.evaluation.vla_eval:LeftRightBenchmark
    mode: sync
    episodes_per_task: 2
    params: {{scenarios: [1box_hori_left, 1box_hori_right], image_size: [64, 64]}}
"""


@pytest.mark.skipif(not OPENPI.exists(), reason="tests/clients.sh installs openpi-client")
def test_openpi_client(policy_server: RunningServer, served: ServedPolicy, tmp_path: Path) -> None:
    frames, out = noise(10, served.side), tmp_path / "actions.npy"
    np.save(tmp_path / "frames.npy", frames)
    program = Path(__file__).parent / "openpi_program.py"
    command = [OPENPI, program, str(policy_server.port), tmp_path / "frames.npy", LEFT, out]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=120, env=environment
    )
    printed = json.loads(done.stdout)
    assert printed["case"] == "both_20"
    assert printed["timing"] == ["decode_ms", "infer_ms", "prev_total_ms", "queue_ms"]
    assert "observation/image is missing" in printed["refusal"]
    controller = Controller(served.policy, served.facts.window)
    controller.reset([LEFT])
    expected = np.stack([controller.chunk(frame[None])[0] for frame in frames])
    assert np.abs(np.load(out) - expected).max() < 1e-6


@pytest.mark.skipif(not VLA_EVAL.exists(), reason="tests/clients.sh installs vla-eval")
def test_vla_eval_runner(policy_server: RunningServer, finished_lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(port=policy_server.port, out=tmp_path / "out"))
    command = [VLA_EVAL, "run", "--config", config, "--render", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = [path for path in (tmp_path / "out").rglob("*.json") if "tasks" in path.read_text()]
    result = json.loads(file.read_text())
    rollouts = read_result(finished_lab.the_run("both_20").rollouts, Rollouts).rollouts
    for task, side in zip(result["tasks"], ("left", "right"), strict=True):
        drives = [drive for drive in rollouts if drive.direction == side]
        assert task["mean_success"] == sum(drive.success for drive in drives) / len(drives)
        lengths = sum(drive.path_length for drive in drives) / len(drives)
        assert task["mean_path_length"] == pytest.approx(lengths, abs=1e-3)
