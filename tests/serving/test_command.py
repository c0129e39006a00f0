"""`mvla serve` as a process: ready after warm-up, a summary at the end, and bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
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


def copied_run(lab: Lab, folder: Path) -> Path:
    run = folder / "run"
    shutil.copytree(lab.the_run("both_20").path, run, symlinks=True)
    return run


def test_a_run_without_a_checkpoint_is_a_sentence(
    finished_lab: Lab, tmp_path: Path, capsys: Any
) -> None:
    run = copied_run(finished_lab, tmp_path)
    shutil.rmtree(run / "checkpoints")
    assert main(["serve", str(run), "--port", "0"]) == 2
    assert "has no checkpoint" in capsys.readouterr().err


def test_a_checkpoint_of_other_statistics_is_a_sentence(
    finished_lab: Lab, tmp_path: Path, capsys: Any
) -> None:
    """Its actions have another dimension than the case's head predicts."""
    from mobile_vla.policy.checkpoints.merge_lora import POLICY

    run = copied_run(finished_lab, tmp_path)
    file = (run / "checkpoints" / "best").resolve() / POLICY
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    (key,) = header["__metadata__"]
    info = json.loads(header["__metadata__"][key])
    for name, values in info["statistics"].items():
        if isinstance(values, list):
            info["statistics"][name] = [*values, "angular_z" if name == "names" else 1.0]
    header["__metadata__"][key] = json.dumps(info)
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    assert main(["serve", str(run), "--port", "0"]) == 2
    printed = capsys.readouterr().err
    assert "the statistics have 3" in printed
    assert "Traceback" not in printed


def test_two_servers_of_one_run_answer_alike(finished_lab: Lab) -> None:
    run, frame = finished_lab.the_run("both_20").path, noise(1)[0]
    with (
        serving(open_policy(run)) as one, serving(open_policy(run)) as other,
        one.connect() as first, other.connect() as second,
    ):  # fmt: skip
        for socket in (first, second):
            socket.recv()
        answers = [ask(socket, frame, LEFT)["actions"] for socket in (first, second)]
    assert (answers[0] == answers[1]).all()
