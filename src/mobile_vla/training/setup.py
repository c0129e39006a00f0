"""Check a run, build its model, and collect everything the training loop needs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric

from mobile_vla.episodes.frame_store import FrameStore
from mobile_vla.episodes.manifest import Manifest
from mobile_vla.messages.errors import Faults, UserError
from mobile_vla.policy.checkpoints.load_vlm import load_report
from mobile_vla.policy.checkpoints.policy_checkpoint import load_trained, require_base
from mobile_vla.policy.policy import Policy
from mobile_vla.runs.environment import describe
from mobile_vla.runs.events import EventLog
from mobile_vla.runs.files import write_json
from mobile_vla.runs.folder import RunFolder
from mobile_vla.runs.load_report import LoadedSource, table
from mobile_vla.runs.workspace import Workspace
from mobile_vla.study.models import ResolvedCase
from mobile_vla.training.averaging import WeightAverage
from mobile_vla.training.build_policy import build_policy
from mobile_vla.training.compile_and_checkpointing import speed_up
from mobile_vla.training.data import EpisodeTensors, open_case_frames
from mobile_vla.training.dry_run import DryRun
from mobile_vla.training.feature_store import Features
from mobile_vla.training.launch import launch
from mobile_vla.training.loggers import open_loggers
from mobile_vla.training.preflight import (
    CheckedInputs,
    Checklist,
    CheckResult,
    Refused,
    check_inputs,
)
from mobile_vla.training.rank_group import ALONE, RankGroup
from mobile_vla.training.run_checkpoints import POLICY, read_resume, restore_rank
from mobile_vla.training.train_state import Model, Position, Progress, Training
from mobile_vla.training.validation_probes import ValidationProbes, require_other_group

ADAM_BETAS = (0.9, 0.999)


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """A run that passed all checks: its model, position and manifest."""

    model: Model
    position: Position
    manifest: Manifest
    resume: bool


def check_run(
    run: RunFolder,
    case: ResolvedCase,
    manifest: Manifest | None,
    workspace: Workspace,
    checklist: Checklist,
    *,
    paths_exist: tuple[bool, bool],
    resume: bool,
) -> CheckedRun:
    """Check everything, build the model, and record what was loaded and what trains.

    The findings go into `checklist`, which may hold findings already, and does where `manifest` is
    None. `paths_exist` is the answer of `check_paths`. No frame is stored and no metric written. A
    resumed run is not measured again.

    Raises:
        Refused: a check failed.
    """
    ready = check_inputs(checklist, case, manifest, workspace, paths_exist)
    assert manifest is not None
    if case.recipe.probes:
        checklist.run("instruction probes", partial(require_other_group, case.recipe, manifest))
    model = build_model(checklist, case, ready)
    position = restore_position(checklist, run, model, case) if resume else Position()
    sources = ready.weights.sources
    del ready  # a VLM's file as it was read takes as much memory as the model
    if resume:
        speed_up(model.policy.backbone.network, case.recipe)
    else:
        _record(run, model, sources)
        DryRun(checklist, model, case, manifest, workspace).check(run.path)
    checklist.refuse()
    return CheckedRun(model, position, manifest, resume)


def assemble(
    checked: CheckedRun,
    run: RunFolder,
    case: ResolvedCase,
    workspace: Workspace,
    events: EventLog | None,
    *,
    stop: threading.Event,
    progress: Progress,
    world: RankGroup = ALONE,
) -> tuple[Training, Position]:
    """Store the frames, open the loggers, and collect everything the training loop needs.

    Without `events` nothing is recorded: another rank of `world` writes the run folder.

    Raises:
        Refused: an instruction has a word that the VLM does not know.
        UserError: a file differs from the pinned one, or the disk is full.
    """
    model, position, manifest = checked.model, checked.position, checked.manifest

    def stored(done: int, total: int) -> None:
        progress(done, total, "episodes' frames stored")

    size = model.policy.backbone.image_size
    frames = open_case_frames(case, manifest, workspace, size, stored)
    _require_words(model.policy, frames, manifest)
    features = Features(model.policy, frames, workspace.cache)
    resumed_at = position.step if checked.resume else None
    recorded = events is not None
    tensors = EpisodeTensors(model.policy, case.recipe, frames, features)
    probes = ValidationProbes(model.policy, tensors, manifest) if case.recipe.probes else None
    training = Training(
        fabric=model.fabric,
        run=run,
        recipe=case.recipe,
        checkpoint_seconds=60 * case.record.checkpoint_minutes,
        keep_epochs=case.record.keep_epochs,
        manifest=manifest,
        policy=model.policy,
        module=model.module,
        optimizer=model.optimizer,
        average=model.average,
        tensors=tensors,
        probes=probes,
        events=events,
        metrics=open_loggers(run, case, workspace, resumed_at=resumed_at) if recorded else None,
        metadata={"case": case.case, "study": case.study, "manifest": manifest.hash},
        stop=stop,
        progress=progress,
        world=world,
    )
    return training, position


def build_model(checklist: Checklist, case: ResolvedCase, ready: CheckedInputs) -> Model:
    """The policy on its device, with its optimiser."""
    torch.set_flush_denormal(True)
    built: list[Model] = []

    def build() -> CheckResult:
        policy = build_policy(case, ready.statistics, ready.weights)
        devices = [launch().local_rank] if torch.cuda.is_available() else 1
        fabric = Fabric(accelerator="auto", devices=devices, precision=case.recipe.precision)
        fabric.to_device(policy)
        module, optimizer = fabric.setup(policy, _optimizer(policy, case))
        average = WeightAverage(policy.trained_parameters(), case.recipe.ema)
        built.append(Model(fabric, policy, module, optimizer, average))
        trained = policy.trainable()
        counts = {part: float(report.parameters) for part, report in trained.items()}
        return f"{sum(counts.values()):.0f} parameters train", counts

    checklist.run("policy", build)
    checklist.refuse()
    return built[0]


def _require_words(policy: Policy, frames: FrameStore, run: Manifest) -> None:
    """`Refused` where the VLM does not know a word; the dry run read only a few episodes."""
    faults = Faults()
    for instruction in sorted({frames.instruction(episode.id) for episode in run.episodes}):
        faults.of(policy.backbone.tokenize, [instruction])
    if faults.sentences:
        raise Refused(*faults.sentences)


def _record(run: RunFolder, model: Model, sources: Sequence[LoadedSource]) -> None:
    """Write the load report and the environment, and print the loaded weights."""
    loaded = load_report(model.policy, sources)
    write_json(run.load_report, loaded)
    print(table(loaded))
    device = str(model.fabric.device)
    write_json(run.environment, describe(device=device, threads=torch.get_num_threads()))


def _optimizer(policy: Policy, case: ResolvedCase) -> torch.optim.Optimizer:
    recipe = case.recipe
    return torch.optim.AdamW(
        policy.trained_parameters(),
        lr=recipe.learning_rate,
        betas=ADAM_BETAS,
        weight_decay=recipe.weight_decay,
        fused=True if torch.cuda.is_available() else None,
    )


def restore_position(
    checklist: Checklist, run: RunFolder, model: Model, case: ResolvedCase
) -> Position:
    """Policy, optimiser, scaler, random state and position as the latest checkpoint left them."""
    restored: list[Position] = []
    ranks = launch().ranks(case.ranks)

    def resume() -> CheckResult:
        folder, state = read_resume(run)
        require_base(model.policy.backbone, folder / POLICY)
        load_trained(model.policy, folder / POLICY)
        restore_average(model, state, folder)
        model.optimizer.load_state_dict(state["optimizer"])
        same = restore_rank(state["random"], launch().rank, ranks)
        model.fabric.strategy.precision.load_state_dict(state["scaler"])
        losses = list(state["epoch_losses"])
        position = Position(step=state["step"], epoch_losses=losses, best=state["best"])
        position.since_best = state.get("since_best", 0)  # versions before had no patience
        restored.append(position)
        if not same:  # order and step stay; only the draws of dropout differ
            torch.manual_seed(hash((case.recipe.seed, state["step"], launch().rank)) % 2**63)
        how = "" if same else f"; {ranks} ranks go on where others stopped, with other dropout"
        return f"goes on from step {state['step']}{how}", {}

    checklist.run("checkpoint", resume)
    checklist.refuse()
    return restored[0]


def restore_average(model: Model, state: dict[str, Any], folder: Path) -> None:
    """The average from the policy file, and the weights that the steps go on from.

    Raises:
        UserError: the checkpoint was written with an average and the recipe has none, or reverse.
    """
    weights = state.get("weights")
    if (weights is None) != (not model.average.decay):
        held, asked = ("no average", "ema") if weights is None else ("an average", "no ema")
        raise UserError(
            f"{folder} holds {held} of the weights, but the recipe has {asked}: set ema as the run "
            "began with it, or train the case anew."
        )
    if weights is not None:
        parameters = model.policy.trained_parameters()
        model.average.restore([parameter.detach() for parameter in parameters])
        with torch.no_grad():
            for parameter, stored in zip(parameters, weights, strict=True):
                parameter.copy_(stored)
