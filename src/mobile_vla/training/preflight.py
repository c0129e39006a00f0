"""Everything that can be known to be wrong before the first optimiser step, all of it at once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mobile_vla.policy.whole import require_whole
from mobile_vla.record.errors import UserError
from mobile_vla.record.events import Check
from mobile_vla.training.build import weights_path

if TYPE_CHECKING:
    from mobile_vla.study.models import ResolvedCase
    from mobile_vla.training.loop import Training

PROBE_INSTRUCTIONS = (
    "go around the box on the left, to the basket",
    "go around the box on the right, to the basket",
)
CHECKPOINTS_AT_ONCE = 3
"""Latest, best, and the one being written."""
BYTES_A_PARAMETER = 4 * 3
"""A float32 parameter and AdamW's two moments of it."""
RESERVE_BYTES = 64 << 20


@dataclass(slots=True)
class Checklist:
    """Runs checks and keeps what each found; a failed one does not stop the others."""

    checks: list[Check]

    def run(self, name: str, check: Callable[[], tuple[str, dict[str, float]]]) -> bool:
        """Note what `check` measured, or the sentence of its `UserError`."""
        try:
            detail, values = check()
        except UserError as error:
            self.checks.append(Check(name=name, passed=False, detail=str(error)))
            return False
        self.checks.append(Check(name=name, passed=True, detail=detail, values=values))
        return True

    @property
    def failed(self) -> set[str]:
        """The names of all that failed."""
        return {check.name for check in self.checks if not check.passed}

    @property
    def failures(self) -> list[str]:
        """The sentences of all that failed."""
        return [check.detail for check in self.checks if not check.passed]


def check_paths(checklist: Checklist, case: ResolvedCase) -> bool:
    """Whether every path of weights exists; needs no heavy import."""

    def vlm() -> tuple[str, dict[str, float]]:
        return str(weights_path(case.vlm, "The VLM")), {}

    def init() -> tuple[str, dict[str, float]]:
        if case.init is None:
            if "robovlms" in case.case.lower():
                raise UserError(
                    f"{case.case} calls itself RoboVLMs but has no initial checkpoint: "
                    "name one under `init`, or rename the case."
                )
            return "no initial checkpoint is asked for", {}
        return str(weights_path(case.init, "The initial checkpoint")), {}

    found = checklist.run("VLM path", vlm)
    found = checklist.run("initial checkpoint path", init) and found
    return check_precision(checklist, case.recipe.precision) and found


def check_precision(checklist: Checklist, precision: str) -> bool:
    """Whether this machine computes in the recipe's type and does not merely imitate it."""

    def supported() -> tuple[str, dict[str, float]]:
        from mobile_vla.training.devices import supports

        if not supports(precision):
            raise UserError(
                f"This machine does not compute in {precision} (it would imitate it, several times "
                'slower): set the recipe\'s precision to "32-true", or train on a GPU that does.'
            )
        return precision, {}

    return precision == "32-true" or checklist.run("precision", supported)


def check_whole(checklist: Checklist, case: ResolvedCase) -> None:
    """What more is wrong with weights whose path exists, once the run is refused for another's."""
    for what, source in (("VLM", case.vlm), ("initial checkpoint", case.init)):
        if source is None or f"{what} path" in checklist.failed:
            continue
        path = weights_path(source, f"The {what}")
        checklist.run(f"{what} whole", partial(_whole, path))


def _whole(path: Path) -> tuple[str, dict[str, float]]:
    size = require_whole(path)
    return f"{size / 1e6:.0f} MB, none cut short", {"bytes": float(size)}


def measure(checklist: Checklist, training: Training) -> None:
    """The checks that need the model. They draw no random number that training would miss."""
    import torch

    from mobile_vla.training.loop import total_steps

    state = torch.get_rng_state()
    parameters = sum(part.parameters for part in training.policy.trainable().values())
    check_disk(checklist, training.run.path, parameters)
    check_instruction(checklist, training)
    check_batch(checklist, training, total_steps(training.recipe, training.manifest))
    torch.set_rng_state(state)


def check_disk(checklist: Checklist, folder: Path, parameters: int) -> None:
    """Whether the checkpoints fit on the disk."""

    def disk() -> tuple[str, dict[str, float]]:
        need = CHECKPOINTS_AT_ONCE * parameters * BYTES_A_PARAMETER + RESERVE_BYTES
        free = shutil.disk_usage(folder).free
        if free < need:
            raise UserError(
                f"The checkpoints need {need / 1e6:.0f} MB but {folder} has {free / 1e6:.0f} MB "
                "free: free some space or use another workspace."
            )
        detail = f"{need / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free"
        return detail, {"needed_bytes": float(need), "free_bytes": float(free)}

    checklist.run("disk space", disk)


def check_instruction(checklist: Checklist, training: Training) -> None:
    """Whether another instruction on the same frames gives other actions."""
    from mobile_vla.policy.reach import instruction_reach

    def reach() -> tuple[str, dict[str, float]]:
        episode = training.manifest.split("val")[:1]
        latents = training.tensors.batch(episode).latents[0].detach()
        window = training.recipe.window
        found = instruction_reach(training.policy, latents, PROBE_INSTRUCTIONS, window)
        values = {
            "action_change": found.action_change,
            "text_gradient": found.text_gradient,
        }
        if not found.reaches:
            raise UserError(
                "The instruction does not reach the action (change of the first action "
                f"{found.action_change:.3g}, gradient at the text {found.text_gradient:.3g}): "
                "check that no image position covers the text."
            )
        return (
            f"swapping the instruction moves the untrained first action by "
            f"{found.action_change:.3g} of full speed; gradient at the text "
            f"{found.text_gradient:.3g}"
        ), values

    checklist.run("instruction reaches the action", reach)


def check_batch(checklist: Checklist, training: Training, steps: int) -> None:
    """Whether batches pass forward, and what the run will take; the first pass fills the cache."""
    from mobile_vla.training.loop import validate

    epochs, manifest = training.recipe.epochs, training.manifest
    val_frames = sum(episode.frames for episode in manifest.split("val"))
    train_frames = epochs * sum(episode.frames for episode in manifest.split("train"))

    def forward() -> tuple[str, dict[str, float]]:
        loss = validate(training)
        began = time.monotonic()
        validate(training)
        seconds = (time.monotonic() - began) / val_frames
        # Backward and optimiser take about twice the forward pass.
        forecast = 3 * seconds * train_frames + seconds * val_frames * epochs
        return (
            f"the validation episodes pass, loss {loss:.3g}; {steps} steps, forecast about "
            f"{max(1, round(forecast))} s"
        ), {"loss": loss, "forecast_seconds": forecast, "total_steps": float(steps)}

    checklist.run("one batch", forward)
