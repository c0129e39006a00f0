"""Exports: loaded again by another program, of the type that was asked for, acting the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mobile_vla.cli.main import main
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.controller import Controller
from mobile_vla.runs.folder import RunFolder
from mobile_vla.serving.exports import export as export_module
from mobile_vla.serving.exports.control_step import ControlStep
from mobile_vla.serving.exports.export import ExportRequest, export_policy
from mobile_vla.serving.exports.formats import BOUNDS
from mobile_vla.serving.exports.stored_types import require_type
from mobile_vla.serving.served_policy import ServedPolicy, open_policy
from serving_server import LEFT, ask, noise, serving
from small_lab import Lab

PROGRAMS = {"hf": "transformers", "onnx": "onnxruntime", "torch": "torch"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "number"),
    [("hf", "float32"), ("hf", "bf16"), ("onnx", "float32"), ("onnx", "bf16"), ("onnx", "int8"),
     ("torch", "float32"), ("torch", "bf16"), ("torch", "int8")],
)  # fmt: skip
def test_an_export_acts_as_its_run(
    finished_lab: Lab, kind: str, number: str, tmp_path: Path, capsys: Any
) -> None:
    run, out = finished_lab.the_run("both_20"), tmp_path / "out"
    words = ["weights", "export", str(run.path), "--format", kind, "--dtype", number]
    assert main([*words, "--out", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((out / "report.json").read_text())
    assert report["program"].startswith(PROGRAMS[kind])
    assert report["frames"] >= 18
    assert report["largest"] <= report["bound"] == BOUNDS[number]  # type: ignore[index]
    if number == "float32":
        assert report["largest"] < 1e-5
    else:
        assert report["largest"] > 1e-6
        assert report["elements"][number] > report["elements"].get("float32", 0)
    assert report["step_ms"] > 0
    assert report["peak_bytes"] > 10_000_000
    assert main([*words, "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.slow
def test_an_export_that_acts_otherwise_is_not_kept(
    finished_lab: Lab, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setitem(export_module.BOUNDS, "bf16", 1e-12)
    request = ExportRequest(
        finished_lab.the_run("both_20"), "best", "torch", "bf16", tmp_path / "out"
    )
    with pytest.raises(UserError, match="acts otherwise") as raised:
        export_policy(request)
    assert raised.value.exit_code == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_export_that_changes_nothing_fails(
    finished_lab: Lab, tmp_path: Path, monkeypatch: Any
) -> None:
    from mobile_vla.serving.exports import write_formats

    monkeypatch.setattr(write_formats, "quantise_linear", lambda module: 0)
    request = ExportRequest(
        finished_lab.the_run("both_20"), "best", "torch", "int8", tmp_path / "out"
    )
    with pytest.raises(UserError, match="was to store int8 but holds: float32"):
        export_policy(request)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_hugging_face_export_is_served(finished_lab: Lab, tmp_path: Path) -> None:
    run = finished_lab.the_run("both_20")
    frames, answers = noise(2), []
    export_policy(ExportRequest(run, "best", "hf", "bf16", tmp_path / "out"))
    for path in (run.path, tmp_path / "out"):
        with serving(open_policy(path)) as server, server.connect() as socket:
            socket.recv()
            answers.append([ask(socket, frame, LEFT)["actions"] for frame in frames])
    assert np.abs(np.array(answers[0]) - np.array(answers[1])).max() < BOUNDS["bf16"]


def test_the_exported_step_is_the_controllers(served: ServedPolicy) -> None:
    controller = Controller(served.policy, 3)
    controller.reset([LEFT])
    step, ids = ControlStep(served.policy), served.policy.backbone.tokenize([LEFT]).ids
    states: list[torch.Tensor] = []
    for frame in noise(5):
        history = torch.full((1, 2, served.policy.backbone.hidden_size), 9.0)
        for place, state in enumerate(states):
            history[:, place] = state
        with torch.no_grad():
            chunk, state = step(
                torch.from_numpy(frame[None]), ids, history, torch.tensor([len(states)])
            )
        states = [*states, state[:, 0]][-2:]
        assert np.abs(chunk.numpy() - controller.chunk(frame[None])).max() < 1e-6


@pytest.mark.parametrize(
    ("elements", "kind", "good"),
    [({"int8": 60, "float32": 40}, "int8", True), ({"int8": 40, "float32": 60}, "int8", False),
     ({"float32": 9}, "bf16", False), ({}, "float32", False), ({"float32": 9}, "float32", True)],
)  # fmt: skip
def test_the_stored_type_is_checked(elements: Any, kind: Any, good: bool) -> None:
    if good:
        require_type(elements, kind)
        return
    with pytest.raises(UserError, match="It is not kept"):
        require_type(elements, kind)


def test_bad_exports_are_sentences(finished_lab: Lab, tmp_path: Path, capsys: Any) -> None:
    run = finished_lab.the_run("both_20").path
    copied = tmp_path / "elsewhere" / "runs" / "both_20" / run.name
    shutil.copytree(run, copied, symlinks=True)
    out = ["--out", str(tmp_path / "out")]
    for words, sentence in (
        ([str(run), "--format", "hf", "--dtype", "int8"], "choose --format onnx or torch"),
        ([str(tmp_path), "--format", "hf"], "no checkpoint"),
        ([str(run), "--format", "hf", "--checkpoint", "step-9"], "has no checkpoint step-9"),
        ([str(copied), "--format", "hf"], "no recorded validation frames"),
    ):
        assert main(["weights", "export", *words, *out]) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert RunFolder(run).best.exists()
