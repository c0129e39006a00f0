"""`mvla ui` as a process: its address, its token, what it refuses, how it stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import uvicorn

from mobile_vla.cli.main import main
from mobile_vla.listening import bind
from run_folders import Maker


def start(maker: Maker, *words: str) -> tuple[subprocess.Popen[str], str]:
    """The process and the line that it prints."""
    command = [sys.executable, "-m", "mobile_vla.cli", "ui", "--workspace", str(maker.workspace),
               "--study", str(maker.path), "--port", "0", *words]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "MVLA_TOKEN"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    return process, process.stdout.readline()


def test_two_at_once_answer_and_stop_while_a_browser_listens(study):
    servers = [start(study) for _ in range(2)]
    streams = []
    for _, line in servers:
        address = next(word for word in line.split() if word.startswith("http"))
        with urllib.request.urlopen(address) as answer:
            assert b"Case 1" in answer.read()
        streams.append(urllib.request.urlopen(address + "live"))
    for process, _ in servers:
        process.send_signal(signal.SIGINT)
    assert [process.wait() for process, _ in servers] == [0, 0]
    for stream in streams:
        stream.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_server_listens_for_one_stops_it(study, monkeypatch, number):
    stopped = []

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        signal.raise_signal(number)
        stopped.append(server.should_exit)

    monkeypatch.setattr(uvicorn.Server, "run", run)
    place = ["--workspace", str(study.workspace), "--study", str(study.path), "--port", "0"]
    assert main(["ui", *place]) == 0
    assert stopped == [True]


def test_off_loopback_the_address_holds_a_token(study):
    process, line = start(study, "--host", "0.0.0.0")
    process.terminate()
    process.wait()
    assert "/?token=" in line and len(line.partition("token=")[2].split()[0]) >= 32


def test_a_port_in_use_and_folders_that_are_not_there(study, tmp_path: Path, capsys):
    place = ["--workspace", str(study.workspace), "--study", str(study.path)]
    with bind("127.0.0.1", 0) as listener:
        listener.listen()
        port = str(listener.getsockname()[1])
        assert main(["ui", *place, "--port", port]) == 2
    assert f"port {port}" in capsys.readouterr().err
    assert main(["ui", *place, "--documents", str(tmp_path / "none")]) == 2
    assert main(["ui", "--workspace", str(tmp_path / "none")]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_a_port_that_is_none(port):
    with pytest.raises(SystemExit) as stopped:
        main(["ui", "--port", port])
    assert stopped.value.code == 2
