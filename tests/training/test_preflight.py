"""The preflight measures without leaving a trace, and what it forecasts comes near the truth."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mobile_vla.policy import assets
from mobile_vla.policy.checkpoints import load_vlm as loading
from mobile_vla.runs.events import Check, Epoch, Exit, Preflight
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.metrics_csv import read_metrics
from mobile_vla.training import dry_run as rehearsal
from mobile_vla.training import loop
from mobile_vla.training.build_policy import load_trained_policy
from mobile_vla.training.dry_run import DryRun
from mobile_vla.training.run import Refused, begin_run, train
from mobile_vla.training.run_checkpoints import POLICY
from mobile_vla.training.train_state import Position, Training
from small_lab import Lab, events_of

TIME_FACTOR, MEMORY_FACTOR = 4.0, 1.3
"""The forecast holds within these; a busy machine's speed changes more than its memory."""


def trained(lab: Lab, case: str = "Case 1") -> RunFolder:
    run = begin_run(lab.resolved(case), lab.workspace)
    assert train(run, lab.workspace, terminal=False).outcome == "finished"
    return run


def checks(run: RunFolder) -> dict[str, Check]:
    (found,) = events_of(run.events, Preflight)
    return {check.name: check for check in found.checks}


def test_the_forecast_holds(lab: Lab) -> None:
    lab.change("  epochs: 3", "  epochs: 6")
    assert lab.run("train", "Case 3").end() == 0, lab.started[-1].stderr
    run = lab.the_run("both_20")
    told = checks(run)["time and memory"]
    said = told.values["training_seconds"] + told.values["vision_seconds"]
    took = sum(event.seconds for event in events_of(run.events, Epoch))
    assert took / TIME_FACTOR < said < took * TIME_FACTOR
    peak = max(value for _, value in read_metrics(run.metrics)["memory_mb"]) * 2**20
    assert peak / MEMORY_FACTOR < told.values["forecast_bytes"] < peak * MEMORY_FACTOR
    assert told.values["total_steps"] == 24
    assert "24 steps in about" in run.console.read_text()


def test_the_rehearsal_leaves_no_trace(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's weights are to the bit those of one that was not measured before."""
    rehearsed = (trained(here).latest / POLICY).read_bytes()
    monkeypatch.setattr(DryRun, "check", lambda self, run: None)
    assert (trained(here).latest / POLICY).read_bytes() == rehearsed


def test_frozen_weights_that_change_are_noticed(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their hash before training and after."""
    fit = loop.fit

    def fit_and_touch(training: Training, position: Position) -> Position:
        fit(training, position)
        with torch.no_grad():
            table = training.policy.backbone.network.get_input_embeddings().weight
            table[0, 0] += 1e-3
        return position

    monkeypatch.setattr(loop, "fit", fit_and_touch)
    run = begin_run(here.resolved("Case 1"), here.workspace)
    with pytest.raises(RuntimeError, match="frozen weights changed while training"):
        train(run, here.workspace, terminal=False)
    assert events_of(run.events, Exit)[-1].outcome == "exception"


def test_a_check_alone_stores_no_frame(here: Lab) -> None:
    (here.path / "cache").unlink()
    run = begin_run(here.resolved("Case 1"), here.workspace)
    train(run, here.workspace, terminal=False, check_only=True)
    assert checks(run)["one batch"].passed
    assert not list(here.workspace.cache.rglob("*"))


def refused(lab: Lab) -> str:
    run = begin_run(lab.resolved("Case 1"), lab.workspace)
    with pytest.raises(Refused) as found:
        train(run, lab.workspace, terminal=False)
    return str(found.value)


def test_what_memory_cannot_hold_is_refused(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "available_bytes", lambda: 1 << 20)
    assert "of memory but 0.00098 GiB can be had: take a smaller batch" in refused(here)
    monkeypatch.setattr(loading, "available_bytes", lambda: 1 << 19)
    assert "takes 0.0 GiB as float32 but 0.0 GiB of memory are free" in refused(here)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_half_precision_base_trains_and_comes_back(here: Lab, dtype: str) -> None:
    here.change("  epochs: 3", f"  epochs: 1\n  frozen_dtype: {dtype}")
    run = trained(here)
    policy = load_trained_policy(here.resolved("Case 1"), run.best / POLICY)
    held = {p.dtype for p in policy.backbone.network.parameters() if not p.requires_grad}
    assert held == {getattr(torch, dtype)}
    assert {p.dtype for p in policy.trained_parameters()} == {torch.float32}


def test_values_beyond_half_precision_are_refused(here: Lab, tmp_path: Path) -> None:
    shipped = Path(assets.__file__).parent / "kosmos2-tiny"
    folder = tmp_path / "vlm"
    folder.mkdir()
    for file in shipped.glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    tensors = load_file(shipped / "model.safetensors")
    tensors["image_to_text_projection.dense.bias"][0] = 1e5
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    here.change("package:kosmos2-tiny", str(folder))
    here.change("  epochs: 3", "  epochs: 1\n  frozen_dtype: float16")
    said = refused(here)
    assert "held as float16, holds NaN or infinity in image_to_text_projection.dense.bias" in said
