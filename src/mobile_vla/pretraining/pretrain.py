"""`mvla vlm pretrain NAME`: make the small VLMs again, in some minutes on one core.

`kosmos2-tiny` learns vision, then captions; `robovlms-tiny` continues from it with other robot
tasks and is saved in RoboVLMs' format. The same seed gives the same weights on one machine, and an
existing result is reused. A VLM that does as well with the wrong image is not saved.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.assets import NAMES, asset_path
from mobile_vla.policy.checkpoints.load_vlm import load_vlm
from mobile_vla.policy.kosmos2 import Kosmos2Backbone
from mobile_vla.policy.small_vlm import save_vlm, small_network, small_processor
from mobile_vla.pretraining.cache import card_path, made_already, recipe_hash, recipe_line
from mobile_vla.pretraining.held_out import (
    encode_views,
    measure_driving,
    measure_text,
    measure_vision,
    require_clear_gap,
)
from mobile_vla.pretraining.labelled_arrays import Lessons, Progress, Views, collect_views
from mobile_vla.pretraining.model_card import kosmos2_card, robovlms_card
from mobile_vla.pretraining.robot_tasks import RobotModel, teach_driving
from mobile_vla.pretraining.text_stage import teach_text
from mobile_vla.pretraining.vision_stage import teach_vision
from mobile_vla.runs.files import folder_beside, write_atomic

FIRST_VIEW = 50_000_000
HELD_OUT_VIEW = 90_000_000
"""Seeds of views, far from those of scenes that episodes are simulated in."""


def pretrain(
    name: str,
    out: Path,
    *,
    seed: int = 0,
    words: Sequence[str] = (),
    progress: Progress | None = None,
    lessons: Lessons | None = None,
) -> Path:
    """Make `kosmos2-tiny` (a folder) or `robovlms-tiny` (a `.pt`) in the folder `out`; its path.

    `words`: words that kosmos2-tiny knows in addition; no caption holds them, so their embeddings
    stay as they were drawn, and training a case gives them their meaning. `robovlms-tiny`
    continues from the shipped `kosmos2-tiny`. An existing result is replaced once the new one is
    complete, or reused if its card and the hashes of its files match.

    Raises:
        UserError: the name is unknown, or the VLM does not use the image.
    """
    if name not in NAMES:
        raise UserError(f'There is no small VLM "{name}": choose from {", ".join(NAMES)}.')
    if words and name != "kosmos2-tiny":
        raise UserError(f"{name} continues from kosmos2-tiny and takes no words of its own.")
    lessons = lessons or Lessons()
    progress = progress or _silent
    start = None if name == "kosmos2-tiny" else asset_path("kosmos2-tiny")
    recipe = recipe_hash(name, seed, lessons, start, words)
    if made_already(out / NAMES[name], recipe):
        return out / NAMES[name]
    with _one_thread(seed):
        views = collect_views(FIRST_VIEW + seed * 1_000_000, lessons.views, progress)
        held_out = collect_views(HELD_OUT_VIEW, lessons.held_out, progress)
        setup = _Pretraining(views, held_out, seed, lessons, recipe, progress, words)
        if start is None:
            return _pretrain_kosmos2(out, setup)
        return _pretrain_robovlms(out, setup, start)


@dataclass(frozen=True, slots=True)
class _Pretraining:
    views: Views
    held_out: Views
    seed: int
    lessons: Lessons
    recipe: str
    progress: Progress
    words: Sequence[str]


def _pretrain_kosmos2(out: Path, setup: _Pretraining) -> Path:
    lessons, views, held_out = setup.lessons, setup.views, setup.held_out
    processor = small_processor(setup.words)
    network = small_network(len(processor.tokenizer), setup.seed).requires_grad_(False)
    backbone = Kosmos2Backbone(network, processor.tokenizer)
    rng = np.random.default_rng([setup.seed, 1])
    progress = setup.progress
    with torch.no_grad():
        untaught = measure_text(backbone, encode_views(backbone, held_out), held_out)
    readers = teach_vision(backbone, views, rng=rng, steps=lessons.vision_steps, progress=progress)
    latents = encode_views(backbone, views)
    teach_text(backbone, latents, views, rng=rng, steps=lessons.text_steps, progress=progress)
    with torch.no_grad():
        vision = measure_vision(backbone, readers, held_out)
        taught = measure_text(backbone, encode_views(backbone, held_out), held_out)
    pairs = zip(taught, untaught, strict=True)
    figures = [vision, *(replace(after, untaught=before.own_image) for after, before in pairs)]
    require_clear_gap(figures)
    path = out / NAMES["kosmos2-tiny"]
    with folder_beside(path) as beside:
        save_vlm(beside, network, processor)
        card = kosmos2_card(beside, setup.seed, lessons, figures) + recipe_line(setup.recipe)
        (beside / "CARD.md").write_text(card, encoding="utf-8")
    return path


def _pretrain_robovlms(out: Path, setup: _Pretraining, start: Path) -> Path:
    lessons, held_out = setup.lessons, setup.held_out
    backbone, source = load_vlm(start)
    assert isinstance(backbone, Kosmos2Backbone)
    model = RobotModel(backbone)
    latents = encode_views(backbone, setup.views)
    rng = np.random.default_rng([setup.seed, 2])
    views, progress = setup.views, setup.progress
    teach_driving(model, latents, views, rng=rng, steps=lessons.robot_steps, progress=progress)
    with torch.no_grad():
        figures = [measure_driving(model, encode_views(backbone, held_out), held_out)]
    require_clear_gap(figures)
    path = out / NAMES["robovlms-tiny"]
    buffer = io.BytesIO()
    torch.save({"state_dict": model.checkpoint()}, buffer)
    write_atomic(path, buffer.getvalue())
    card = robovlms_card(path, source, setup.seed, lessons, figures)
    write_atomic(card_path(path), (card + recipe_line(setup.recipe)).encode())
    return path


@contextmanager
def _one_thread(seed: int) -> Iterator[None]:
    """Torch's random state from `seed`, one thread, no denormals; all put back afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def _silent(stage: str, done: int, total: int) -> None:
    """No progress."""
