"""From a run's folder to everything the loop works with."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from lightning.fabric import Fabric

from mobile_vla.episodes.frames import FrameStore
from mobile_vla.episodes.manifest import Manifest
from mobile_vla.policy.checkpoint import load_trained, require_base
from mobile_vla.policy.loading import load_report
from mobile_vla.policy.policy import Policy
from mobile_vla.record.environment import describe
from mobile_vla.record.events import EventLog
from mobile_vla.record.files import write_json
from mobile_vla.record.folder import RunFolder
from mobile_vla.record.load_report import LoadedSource, table
from mobile_vla.record.workspace import Workspace
from mobile_vla.study.models import ResolvedCase
from mobile_vla.training.build import build_policy, image_size
from mobile_vla.training.checkpoints import POLICY, read_resume, restore_random
from mobile_vla.training.curves import open_curves
from mobile_vla.training.data import EpisodeTensors, open_case_frames, training_statistics
from mobile_vla.training.features import Features
from mobile_vla.training.loop import Position, Progress, Training

ADAM_BETAS = (0.9, 0.999)


def prepare(
    run: RunFolder,
    case: ResolvedCase,
    manifest: Manifest,
    workspace: Workspace,
    events: EventLog,
    *,
    stop: threading.Event,
    progress: Progress,
    resume: bool,
) -> tuple[Training, Position]:
    """Load the run's weights and frames, and record what was loaded and what trains.

    Errors: `UserError` where weights, frames or the checkpoint to resume from are refused.
    """
    torch.set_flush_denormal(True)
    fabric = Fabric(accelerator="auto", devices=1, precision=case.recipe.precision)
    frames, policy, sources = _load(case, manifest, workspace)
    fabric.to_device(policy)
    module, optimizer = fabric.setup(policy, _optimizer(policy, case))
    features = Features(policy, frames, workspace.cache)
    tensors = EpisodeTensors(policy, case.recipe, frames, features)
    position = _resume(run, policy, optimizer, fabric) if resume else Position()
    training = Training(
        fabric=fabric,
        run=run,
        recipe=case.recipe,
        checkpoint_seconds=60 * case.record.checkpoint_minutes,
        manifest=manifest,
        policy=policy,
        module=module,
        optimizer=optimizer,
        tensors=tensors,
        events=events,
        metrics=open_curves(run, case, workspace, resumed_at=position.step if resume else None),
        metadata={"case": case.case, "study": case.study, "manifest": manifest.hash},
        stop=stop,
        progress=progress,
    )
    if not resume:
        loaded = load_report(policy, sources)
        write_json(run.load_report, loaded)
        print(table(loaded))
        device = str(fabric.device)
        write_json(run.environment, describe(device=device, threads=torch.get_num_threads()))
    return training, position


def _load(
    case: ResolvedCase, manifest: Manifest, workspace: Workspace
) -> tuple[FrameStore, Policy, Sequence[LoadedSource]]:
    frames = open_case_frames(case, manifest, workspace, image_size(case))
    statistics = training_statistics(manifest, frames, case.recipe.action_dim)
    policy, sources = build_policy(case, statistics)
    return frames, policy, sources


def _optimizer(policy: Policy, case: ResolvedCase) -> torch.optim.Optimizer:
    recipe = case.recipe
    return torch.optim.AdamW(
        policy.trained_parameters(),
        lr=recipe.learning_rate,
        betas=ADAM_BETAS,
        weight_decay=recipe.weight_decay,
    )


def _resume(
    run: RunFolder, policy: Policy, optimizer: torch.optim.Optimizer, fabric: Fabric
) -> Position:
    """Policy, optimiser, scaler, random state and position as the latest checkpoint left them."""
    folder, state = read_resume(run)
    require_base(policy.backbone, folder / POLICY)
    load_trained(policy, folder / POLICY)
    optimizer.load_state_dict(state["optimizer"])
    restore_random(state["random"])
    fabric.strategy.precision.load_state_dict(state["scaler"])
    return Position(
        step=state["step"], epoch_losses=list(state["epoch_losses"]), best=state["best"]
    )
