"""`mvla serve` as a process: ready after warm-up, a summary at the end, and bad input."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobile_vla.cli.main import main
from mobile_vla.listening import bind
from mobile_vla.serving.served_policy import ServedPolicy, open_policy
from mobile_vla.serving.wire import unpack
from serving_server import LEFT, ask, noise, serving
from small_lab import Lab, Started, until


def ready(started: Started) -> str:
    """The address that a server printed once it was ready."""
    out = started.folder / "stdout"
    until(lambda: out.exists() or not started.running, "its output")
    pattern = r"at http://(\S+) with"
    line = until(lambda: re.search(pattern, started.stdout) or not started.running, "its address")
    assert line is not True, started.stderr
    return str(line[1])


def test_a_case_is_served_until_a_signal(finished_lab: Lab) -> None:
    started = finished_lab.start("serve", "Case 3", "--port", "0")
    address = ready(started)
    until(lambda: answers(address), "an answer")
    with urllib.request.urlopen(f"http://{address}/model/info") as answer:
        assert json.load(answer)["threads"] >= 1
    assert "token" not in started.stdout
    os.kill(started.process.pid, signal.SIGTERM)
    started.end()
    assert "0 requests, 0 refused or failed" in started.stdout
    assert not started.faults()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/health") as answer:
            return json.load(answer)["model_loaded"] is True
    except OSError:
        return False


def test_off_loopback_a_token_is_printed_once(finished_lab: Lab) -> None:
    started = finished_lab.start("serve", "Case 3", "--port", "0", "--host", "0.0.0.0")
    ready(started)
    until(lambda: "X-API-Key" in started.stdout, "a token")
    assert len(re.findall(r"X-API-Key`: (\S{40,})", started.stdout)) == 1
    started.send(signal.SIGKILL)
    started.end()


def test_a_merged_policy_is_served_alike(
    finished_lab: Lab, served: ServedPolicy, tmp_path: Path
) -> None:
    run, folder = finished_lab.the_run("both_20"), tmp_path / "merged"
    assert main(["weights", "merge", str(run.path), "--out", str(folder)]) == 0
    merged = open_policy(folder)
    assert merged.facts == served.facts
    frames = noise(3)
    answered = []
    for policy in (served, merged):
        with serving(policy) as server, server.connect() as socket:
            metadata = unpack(socket.recv())
            answered.append([ask(socket, frame, LEFT)["actions"] for frame in frames])
    assert metadata["step_seconds"] == 0.4
    assert metadata["evidence"] == {"offline": None, "rollouts": None}
    assert np.abs(np.array(answered[0]) - np.array(answered[1])).max() < 1e-4


def test_a_merged_policy_of_an_earlier_version(finished_lab: Lab, tmp_path: Path) -> None:
    from mobile_vla.policy.checkpoints.merge_lora import POLICY, write_merged
    from mobile_vla.study.case_file import read_case
    from mobile_vla.training.build_policy import load_trained_policy, weights_path

    run = finished_lab.the_run("both_20")
    case = read_case(run.case_yaml)
    policy = load_trained_policy(case, run.best / POLICY)
    write_merged(policy, weights_path(case.vlm, "The VLM"), tmp_path / "old", {"step": "1"})
    assert main(["serve", str(tmp_path / "old"), "--port", "0"]) == 2


@pytest.mark.parametrize("kind", ["port", "no case", "no path", "no run", "empty token", "folder"])
def test_bad_input_is_a_sentence(finished_lab: Lab, kind: str, tmp_path: Path, capsys: Any) -> None:
    run = str(finished_lab.the_run("both_20").path)
    (tmp_path / "token").write_text("\n")
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        words, sentence = {
            "port": ([run, "--port", port], "Address already in use"),
            "no case": (["Case 99", "--port", "0"], "Case 99"),
            "no path": (["runs/nothing", "--port", "0"], "is no case, no run and no merged"),
            "no run": (["Case 1", "--port", "0"], "has no run: train it"),
            "empty token": ([run, "--token-file", str(tmp_path / "token")], "not usable"),
            "folder": ([str(tmp_path), "--port", "0"], "is no case, no run and no merged"),
        }[kind]
        study = ["--study", str(finished_lab.study), "--workspace", str(finished_lab.path)]
        assert main(["serve", *words, *study]) == 2
    printed = capsys.readouterr().err
    assert sentence in printed
    assert printed.count("mvla:") == 1
