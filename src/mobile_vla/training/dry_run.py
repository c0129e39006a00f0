"""Run one batch as training will, and forecast the time and memory of the run.

The dry run fills no cache, changes no weight and leaves the random state as it was.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mobile_vla.episodes.frame_store import open_frames, store_folder, stored
from mobile_vla.episodes.manifest import Manifest, ManifestEpisode
from mobile_vla.messages.errors import UserError
from mobile_vla.policy.instruction_gradient import instruction_effect
from mobile_vla.policy.memory import available_bytes, peak_bytes, resident_bytes
from mobile_vla.training.compile_and_checkpointing import measure_gains
from mobile_vla.training.data import EpisodeTensors
from mobile_vla.training.feature_store import Features, features_folder, has_features
from mobile_vla.training.loop import total_steps
from mobile_vla.training.losses import loss_sums
from mobile_vla.training.preflight import Checklist, CheckResult, check_disk
from mobile_vla.training.run_checkpoints import random_state, restore_random

if TYPE_CHECKING:
    from mobile_vla.runs.workspace import Workspace
    from mobile_vla.study.models import ResolvedCase
    from mobile_vla.training.train_state import Model

PROBE_INSTRUCTIONS = (
    "go around the box on the left, to the basket",
    "go around the box on the right, to the basket",
)
ENOUGH_SECONDS = 1.0
MOST_PASSES = 3
"""A pass shorter than `ENOUGH_SECONDS` is repeated: the first one also warms up."""
MOMENTS = 2 * 4
"""Bytes that AdamW keeps of a trained parameter from its first step on."""


class DryRun:
    """The checks that need the model: disk, frames, instruction, a batch, time and memory."""

    def __init__(
        self,
        checklist: Checklist,
        model: Model,
        case: ResolvedCase,
        manifest: Manifest,
        workspace: Workspace,
    ) -> None:
        policy = model.policy
        self.checklist, self.model, self.case, self.manifest = checklist, model, case, manifest
        self.workspace = workspace
        self.trained = sum(p.numel() for p in policy.trained_parameters())
        self.episodes = _longest(manifest.split("train"), case.recipe.batch)
        self.frames_folder = store_folder(workspace.cache, policy.backbone.image_size)
        self.features_folder = features_folder(policy, workspace.cache)

    def check(self, run: Path) -> None:
        """Run all checks into the checklist; the random state does not change."""
        state = random_state()
        cache_and_kept = self._uncached_bytes() + self._kept_bytes()
        check_disk(self.checklist, run, self.trained, cache_and_kept)
        with tempfile.TemporaryDirectory(prefix="mvla-preflight-") as folder:
            self._check_frames(Path(folder))
        restore_random(state)

    def _check_frames(self, folder: Path) -> None:
        """Load the chosen episodes as training would; `folder` is a temporary cache."""
        policy = self.model.policy
        prepared: list[tuple[Features, EpisodeTensors]] = []
        few = Manifest.of(self.manifest.name, self.manifest.step, self.episodes)
        source = self.workspace.data(self.case.train_data)
        frames_stored = all(stored(self.frames_folder, episode.hash) for episode in self.episodes)

        def frames() -> CheckResult:
            size = policy.backbone.image_size
            store = open_frames(
                few, source, size, self.workspace.cache if frames_stored else folder
            )
            for episode in self.episodes:
                policy.backbone.tokenize([store.instruction(episode.id)])
            features = Features(policy, store, folder)
            prepared.append((features, EpisodeTensors(policy, self.case.recipe, store, features)))
            return f"{len(self.episodes)} episodes at {size} px; every word is known", {}

        if self.checklist.run("frames and words", frames):
            features, tensors = prepared[0]
            self._measure_gains(tensors)
            self._check_batch(features, tensors)
            self._check_instruction(features)

    def _measure_gains(self, tensors: EpisodeTensors) -> None:
        """Measure on one episode: a batch may fit only after these options are on."""
        network, episodes = self.model.policy.backbone.network, self.episodes[:1]
        one_pass = partial(self._pass, tensors, episodes, True)
        measure_gains(self.checklist, self.case.recipe, network, one_pass)

    def _check_instruction(self, features: Features) -> None:
        """Whether another instruction on the same frames gives other actions."""
        first, window = self.episodes[0], self.case.recipe.window

        def reach() -> CheckResult:
            latents = features.of(first.id, first.hash).detach()[:window]
            effect = instruction_effect(self.model.policy, latents, PROBE_INSTRUCTIONS, window)
            values = {"action_change": effect.action_change, "text_gradient": effect.text_gradient}
            if not effect.reaches:
                raise UserError(
                    "The instruction does not reach the action (change of the first action "
                    f"{effect.action_change:.3g}, gradient at the text "
                    f"{effect.text_gradient:.3g}): check that no image position covers the text."
                )
            return (
                f"swapping the instruction moves the untrained first action by "
                f"{effect.action_change:.3g} of full speed; gradient at the text "
                f"{effect.text_gradient:.3g}"
            ), values

        self.checklist.run("instruction reaches the action", reach)

    def _check_batch(self, features: Features, tensors: EpisodeTensors) -> None:
        """Check that a batch passes forward and backward, then forecast the run."""
        episodes = self.episodes[: self.case.recipe.batch]
        seconds: dict[str, float] = {}

        def passes() -> CheckResult:
            seconds["vision"] = self._vision_seconds(features)
            frames = sum(episode.frames for episode in episodes)
            for part, learn in (("validation", False), ("training", True)):
                loss, taken = _fastest(partial(self._pass, tensors, episodes, learn))
                seconds[part] = taken / frames
            detail = f"{len(episodes)} episodes pass forward and back, loss {loss:.3g}"
            return detail, {"loss": loss}

        if self.checklist.run("one batch", passes):
            self.checklist.run("time and memory", lambda: self._forecast(seconds))

    def _vision_seconds(self, features: Features) -> float:
        """Of vision and projection, a frame; 0 where they train and pass with each batch."""
        if features.folder is None:
            return 0.0
        seconds_per_frame = []
        for episode in self.episodes:
            if not has_features(features.folder, episode.hash):
                start = time.monotonic()
                features.of(episode.id, episode.hash)
                seconds_per_frame.append((time.monotonic() - start) / episode.frames)
        return min(seconds_per_frame)

    def _pass(self, tensors: EpisodeTensors, episodes: list[ManifestEpisode], learn: bool) -> float:
        """One pass and its loss; with `learn`, gradients are computed and discarded."""
        self.model.module.train(learn)
        batch = tensors.batch(episodes)
        with torch.set_grad_enabled(learn):
            total, weight = loss_sums(self.model.module, self.case.recipe, batch)
            loss = total / weight
            if learn:
                self.model.fabric.backward(loss)
                self.model.optimizer.zero_grad(set_to_none=True)
        value = float(loss.detach())
        if not math.isfinite(value):
            names = ", ".join(batch.episodes)
            raise UserError(f"The loss is {value} on {names}: look at these episodes.")
        return value

    def _forecast(self, seconds: dict[str, float]) -> CheckResult:
        """Steps, time and memory of the run.

        Raises:
            UserError: the run needs more memory than is available.
        """
        epochs, steps = self.case.recipe.epochs, total_steps(self.case.recipe, self.manifest)
        train, val = (sum(e.frames for e in self.manifest.split(s)) for s in ("train", "val"))
        frames = {"vision": self._unencoded(), "training": train * epochs}
        frames["validation"] = val * epochs
        parts = {f"{part}_seconds": seconds[part] * count for part, count in frames.items()}
        total = sum(parts.values())
        need = max(peak_bytes(), resident_bytes() + MOMENTS * self.trained)
        have = available_bytes()
        values = {**parts, "forecast_seconds": total, "total_steps": float(steps)}
        values |= {"forecast_bytes": float(need), "available_bytes": float(have)}
        if need > have:
            raise UserError(
                f"The run needs about {_gib(need)} of memory but {_gib(have)} can be had: take a "
                "smaller batch, set frozen_dtype to bfloat16, or use a larger machine."
            )
        return (
            f"{steps} steps in about {_duration(total)}, {_duration(parts['vision_seconds'])} of "
            f"it once for vision; about {_gib(need)} of memory, of {_gib(have)} that can be had"
        ), values

    def _unencoded(self) -> int:
        """Frames whose vision features training will compute and store."""
        folder = self.features_folder
        if folder is None:
            return 0
        frames = sum(e.frames for e in self.manifest.episodes if not has_features(folder, e.hash))
        return frames * min(self.case.recipe.views, self.case.recipe.epochs)

    def _kept_bytes(self) -> int:
        """Bytes of the checkpoints that `keep_epochs` keeps, without the latest and the best."""
        interval = self.case.record.keep_epochs
        return self.case.recipe.epochs // interval * self.trained * 4 if interval else 0

    def _uncached_bytes(self) -> int:
        """Bytes of frames and features that are not stored yet."""
        backbone = self.model.policy.backbone
        missing = (e for e in self.manifest.episodes if not stored(self.frames_folder, e.hash))
        pixels = 3 * backbone.image_size**2
        latents = 2 * backbone.latents * backbone.hidden_size
        return sum(e.frames for e in missing) * pixels + self._unencoded() * latents


def _longest(train: list[ManifestEpisode], batch: int) -> list[ManifestEpisode]:
    """The longest episode of each direction, then the longest of all, `batch` or more."""
    by_length = sorted(train, key=lambda episode: -episode.frames)
    chosen: list[ManifestEpisode] = []
    for episode in by_length:
        if episode.direction not in {other.direction for other in chosen}:
            chosen.append(episode)
    others = [episode for episode in by_length if episode not in chosen]
    return [*chosen, *others[: max(0, batch - len(chosen))]]


def _fastest(call: Callable[[], float]) -> tuple[float, float]:
    """What `call` gives, and the seconds of its quickest repetition."""
    seconds: list[float] = []
    while len(seconds) < MOST_PASSES and sum(seconds) < ENOUGH_SECONDS:
        start = time.monotonic()
        value = call()
        seconds.append(time.monotonic() - start)
    return value, min(seconds)


def _gib(count: int) -> str:
    return f"{count / 2**30:.2g} GiB" if count < 10 * 2**30 else f"{count / 2**30:.0f} GiB"


def _duration(seconds: float) -> str:
    """ "40 s", "12 min", "3.5 h" """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
