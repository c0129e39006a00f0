"""Computing in bfloat16 on the CPU: the run's losses stay near, what trains stays float32."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.metrics_csv import read_metrics
from mobile_vla.training import devices
from mobile_vla.training.run import begin_run, train
from small_lab import Lab

CASE = "both_20"


@pytest.fixture(autouse=True)
def any_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor without bfloat16 computes it too, only slower."""
    cpu = tmp_path / "cpuinfo"
    cpu.write_text("flags\t\t: avx512_bf16\n")
    monkeypatch.setattr(devices, "CPU_INFO", cpu)


def trained(lab: Lab) -> RunFolder:
    run = begin_run(lab.resolved(CASE), lab.workspace)
    assert train(run, lab.workspace, terminal=False).outcome == "finished"
    return run


def losses(run: RunFolder) -> list[float]:
    return [value for _, value in read_metrics(run.metrics)["train_loss"]]


def test_bf16_trains_as_float32_does_only_coarser(here: Lab) -> None:
    here.change("dropout: 0.1", "dropout: 0.0")
    full = trained(here)
    here.change("accumulate: 2", "accumulate: 2\n  precision: bf16-mixed")
    half = trained(here)
    assert losses(half) != losses(full)
    assert losses(half) == pytest.approx(losses(full), rel=0.05)
    tensors = load_file(half.latest / "policy.safetensors")
    assert {value.dtype.name for value in tensors.values()} == {"float32"}


def test_the_decoder_computes_in_bf16(here: Lab) -> None:
    here.change("accumulate: 2", "accumulate: 2\n  precision: bf16-mixed")
    training, seen = here.training(), set()
    layer = training.policy.backbone.network.text_model.model.layers[0].self_attn.k_proj
    layer.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    batch = training.tensors.batch(training.manifest.split("train")[:1])
    training.module(batch.latents, batch.instructions, training.recipe.window)
    assert seen == {torch.bfloat16}
