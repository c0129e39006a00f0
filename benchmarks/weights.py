"""What the small VLM's pretraining is worth, against a twin of random weights.

    python -m benchmarks weights [--views 300] [--side 30] [--epochs 15]

Captions of held-out views, and the same case trained from both: same episodes, steps, seed and
recipe. Ends with status 1 where the pretrained VLM does not win both.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

STUDY = """
study: twins
title: {{en: Twins, ko: 쌍둥이}}
robot: {{action: [linear_x, linear_y], step: 0.4, full_speed: 1.15}}
data: {{train: episodes, evaluation: episodes}}
base:
  lora: {{r: 16, alpha: 32, dropout: 0.0}}
  head: {{hidden: 128, layers: 1}}
  learning_rate: 3.0e-3
  batch: 8
  accumulate: 1
  huber_delta: 0.1
  first_action_weight: 3.0
  epochs: {epochs}
profiles:
  twins:
    note: {{en: twins, ko: 쌍둥이}}
    vlms: {{pretrained: "package:kosmos2-tiny", random: "{random}"}}
    inits: {{}}
    evaluation: {{left: 1, right: 1}}
    rollout_scenes: 0
cases:
  - {{name: pretrained, vlm: pretrained, data: {{left: {side}, right: {side}}}}}
  - {{name: random, vlm: random, data: {{left: {side}, right: {side}}}}}
"""


def main(argv: Sequence[str]) -> int:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(prog="benchmarks weights", description=__doc__)
    parser.add_argument("--views", type=int, default=300, help="held-out views to caption")
    parser.add_argument("--side", type=int, default=30, help="episodes a side")
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args(argv)

    import torch

    from mobile_vla.policy.small_vlm import save_vlm, small_network, small_processor

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        processor = small_processor()
        network = small_network(len(processor.tokenizer), seed=0)
        random = save_vlm(Path(folder) / "random", network, processor)
        captions = [_captions(options.views, vlm) for vlm in (_shipped(), random)]
        losses = _cases(Path(folder), random, options.side, options.epochs)
    return int(captions[0] >= captions[1] or losses[0] >= losses[1])


def _shipped() -> Path:
    from mobile_vla.policy import assets

    return Path(assets.__file__).parent / "kosmos2-tiny"


def _captions(count: int, vlm: Path) -> float:
    """Caption loss of views that the shipped VLM's card holds out."""
    import torch

    from mobile_vla.policy.checkpoints.load_vlm import load_vlm
    from mobile_vla.pretraining.held_out import encode_views, measure_text
    from mobile_vla.pretraining.labelled_arrays import collect_views
    from mobile_vla.pretraining.pretrain import HELD_OUT_VIEW

    views = collect_views(HELD_OUT_VIEW, count, lambda stage, done, total: None)
    backbone = load_vlm(vlm)[0]
    with torch.no_grad():
        figures = measure_text(backbone, encode_views(backbone, views), views)
    for figure in figures:
        print(
            f"{vlm.name}: {figure.name}: {figure.own_image:.3f} with the view's own image, "
            f"{figure.other_image:.3f} with another's",
            flush=True,
        )
    return figures[0].own_image


def _cases(folder: Path, random: Path, side: int, epochs: int) -> list[float]:
    """Best validation loss of the case from the pretrained VLM and from the random one."""
    from mobile_vla.runs.metrics_csv import read_metrics
    from mobile_vla.runs.workspace import Workspace
    from mobile_vla.simulator.simulate import simulate_dataset
    from mobile_vla.study.load_study import load_study, resolve
    from mobile_vla.training.run import begin_run, train

    workspace, study_file = Workspace(folder), folder / "study.yaml"
    study_file.write_text(STUDY.format(random=random, side=side, epochs=epochs))
    simulate_dataset(
        folder / "data" / "episodes",
        left=side, right=side, seed=1, image_size=(64, 64),
    )  # fmt: skip
    study = load_study(study_file)
    losses = []
    for case in study.cases:
        run = begin_run(resolve(study, case, "twins", 0, study_file), workspace)
        ended = train(run, workspace, terminal=False)
        losses.append(min(loss for _, loss in read_metrics(run.metrics)["val_loss"]))
        print(f"case from {case.name}: best val_loss {losses[-1]:.4f}; {ended.reason}", flush=True)
    return losses
