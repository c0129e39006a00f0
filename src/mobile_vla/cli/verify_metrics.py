"""`mvla status CASE --verify-metrics`: a checkpoint's metric computed again, held to its log."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mobile_vla.messages.errors import UserError
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.workspace import Workspace

if TYPE_CHECKING:
    from mobile_vla.evidence.model import RunView

TOLERANCE = 1e-4
"""Relative: one machine gives the same bits, another sums in another order."""


class Recomputed(msgspec.Struct, frozen=True, kw_only=True):
    """The validation loss of one checkpoint, as its log has it and as it comes out now."""

    checkpoint: str
    logged: float
    recomputed: float
    agrees: bool

    def sentence(self) -> str:
        """For people."""
        verdict = "agrees with" if self.agrees else "does not agree with"
        return (
            f"{self.checkpoint}: validation loss computed again {self.recomputed:.6g} "
            f"{verdict} the {self.logged:.6g} of its log"
        )


def verify_metrics(run: RunView, workspace: Workspace) -> list[Recomputed]:
    """Every checkpoint of a run that loads and has a logged loss, validated again.

    Raises: UserError where there is none, or its data or frozen weights are gone.
    """
    views = [v for v in run.checkpoints if v.problem is None and v.val_loss is not None]
    if run.foreign is not None or not views:
        raise UserError(f"{run.path} has no checkpoint that loads and has a logged loss.")
    folder = RunFolder(workspace.path / run.path)
    results = []
    for view in views:
        weights = workspace.path / view.path / "policy.safetensors"
        assert view.val_loss is not None
        value = _validate(folder, weights, workspace)
        agrees = math.isclose(value, view.val_loss, rel_tol=TOLERANCE, abs_tol=1e-9)
        results.append(
            Recomputed(checkpoint=view.path, logged=view.val_loss, recomputed=value, agrees=agrees)
        )
    return results


def _validate(run: RunFolder, weights: Path, workspace: Workspace) -> float:
    """The loss on the run's own validation episodes, by the code that training validates with."""
    from mobile_vla.episodes.manifest import read_manifest
    from mobile_vla.study.case_file import read_case
    from mobile_vla.training.build_policy import image_size, load_trained_policy
    from mobile_vla.training.data import EpisodeTensors, open_case_frames
    from mobile_vla.training.feature_store import Features
    from mobile_vla.training.losses import validate

    case, manifest = read_case(run.case_yaml), read_manifest(run.manifest)
    policy = load_trained_policy(case, weights)
    frames = open_case_frames(case, manifest, workspace, image_size(case))
    features = Features(policy, frames, workspace.cache)
    tensors = EpisodeTensors(policy, case.recipe, frames, features)
    return validate(policy, policy, case.recipe, tensors, manifest.split("val")).val_loss
