"""What the training benchmark works on: a small workspace, a VLM of some size, one real run."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mobile_vla.runs.folder import RunFolder
    from mobile_vla.runs.workspace import Workspace
    from mobile_vla.study.models import ResolvedCase
    from mobile_vla.training.train_state import Training

STUDY = """
study: benchmark
title: {{en: Benchmark, ko: 벤치마크}}
robot: {{action: [linear_x, linear_y], step: 0.4, full_speed: 1.15}}
data: {{train: episodes, evaluation: episodes}}
base:
  window: {window}
  chunk: 10
  lora: {{r: 16, alpha: 32, dropout: 0.0}}
  head: {{hidden: {hidden}, layers: {head_layers}}}
  batch: {batch}
  epochs: 2
  precision: {precision}
  accumulate: 1
  first_action_weight: 3.0
  huber_delta: 0.1
profiles:
  benchmark:
    note: {{en: benchmark, ko: 벤치마크}}
    vlms: {{vlm: "{vlm}"}}
    inits: {{}}
    evaluation: {{left: 1, right: 1}}
    rollout_scenes: 0
cases:
  - {{name: both, vlm: vlm, data: {{left: {side}, right: {side}}}}}
"""


@dataclass(frozen=True, slots=True)
class Size:
    """A model and how much of it a step holds. `batch` counts episodes, `side` those a side."""

    name: str
    what: str
    pixels: int
    batch: int
    side: int
    hidden: int
    head_layers: int


SIZES = {
    "tiny": Size("tiny", "kosmos2-tiny, the laptop profile", 64, 8, 10, 128, 1),
    "wide": Size(
        "wide",
        "Kosmos-2 at full width (text 2048, vision 1024, 64 latents), 2 layers each instead of 24, "
        "random weights",
        224, 1, 5, 512, 4,
    ),
}  # fmt: skip


def wide_vlm(folder: Path) -> Path:
    """Write a Kosmos-2 of full width with two layers a tower, random weights, and its processor."""
    import torch
    from transformers import Kosmos2Config, Kosmos2ForConditionalGeneration

    from mobile_vla.policy.small_vlm import save_vlm, small_processor

    processor = small_processor()
    config = Kosmos2Config(
        text_config={"vocab_size": len(processor.tokenizer), "layers": 2, "dropout": 0.0},
        vision_config={"num_hidden_layers": 2},
    )
    torch.manual_seed(0)
    return save_vlm(folder, Kosmos2ForConditionalGeneration(config).eval(), processor)


def begin(
    size: Size, folder: Path, window: int, precision: str = "32-true"
) -> tuple[RunFolder, ResolvedCase, Workspace]:
    """A run folder of a case on simulated episodes, in a workspace of its own."""
    from mobile_vla.runs.workspace import Workspace
    from mobile_vla.simulator.simulate import simulate_dataset
    from mobile_vla.study.load_study import load_study, resolve
    from mobile_vla.training.run import begin_run

    workspace = Workspace(folder)
    simulate_dataset(
        workspace.data("episodes"), left=size.side, right=size.side, seed=1,
        image_size=(size.pixels, size.pixels),
    )  # fmt: skip
    vlm = "package:kosmos2-tiny" if size.name == "tiny" else str(wide_vlm(folder / "vlm"))
    path = folder / "study.yaml"
    path.write_text(
        STUDY.format(
            window=window,
            batch=size.batch,
            side=size.side,
            vlm=vlm,
            hidden=size.hidden,
            head_layers=size.head_layers,
            precision=precision,
        )
    )
    study = load_study(path)
    case = resolve(study, study.cases[0], "benchmark", 0, path)
    return begin_run(case, workspace), case, workspace


def open_training(size: Size, folder: Path, window: int, precision: str = "32-true") -> Training:
    """A run of the product's own on simulated episodes, ready to step."""
    from mobile_vla.runs.events import EventLog
    from mobile_vla.training.data import case_manifest
    from mobile_vla.training.preflight import Checklist
    from mobile_vla.training.setup import assemble, check_run

    run, case, workspace = begin(size, folder, window, precision)
    manifest = case_manifest(case, workspace)
    checked = check_run(
        run, case, manifest, workspace, Checklist([]), paths_exist=(True, True), resume=False
    )
    training, _ = assemble(
        checked, run, case, workspace, EventLog(run.events), stop=threading.Event(),
        progress=lambda done, total, note: None,
    )  # fmt: skip
    training.module.train()
    return training
