"""Checkpoints of a run: written beside, synced, renamed; best and latest kept.

checkpoints/
    step-000200/policy.safetensors   what was trained, with its statistics
    step-000200/resume.pt            optimiser, random state, position
    latest -> step-000200            moves only after the folder stands
    best -> step-000180
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import torch

from mobile_vla.messages.errors import UserError, reason_of
from mobile_vla.policy.checkpoints.policy_checkpoint import read_info, save_policy
from mobile_vla.policy.policy import Policy
from mobile_vla.runs.events import AnyEvent, Checkpoint, Epoch, file_hashes
from mobile_vla.runs.files import (
    explain_os_error,
    folder_beside,
    hash_file,
    part_name,
    sweep_parts,
    sync_folder,
)
from mobile_vla.runs.folder import RunFolder
from mobile_vla.study.case_file import read_case

POLICY = "policy.safetensors"
RESUME = "resume.pt"
RESUME_KEYS = {"step", "epoch_losses", "best", "optimizer", "random", "scaler"}


def write_checkpoint(
    run: RunFolder, policy: Policy, metadata: dict[str, str], resume: dict[str, Any], *, best: bool
) -> Path:
    """Write a checkpoint folder and move `latest` (and `best`) to it.

    Raises:
        UserError: the disk is full or cannot be written; the older checkpoints stay untouched.
    """
    final = run.checkpoints / f"step-{resume['step']:06d}"
    try:
        with folder_beside(final) as beside:
            save_policy(beside / POLICY, policy, metadata)
            with open(beside / RESUME, "wb") as file:
                torch.save(resume, file)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(beside)
        if best:
            _point(run.best, final)
        _point(run.latest, final)
    except (OSError, RuntimeError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
        if isinstance(cause, OSError):
            raise explain_os_error(cause, final) from error
        raise
    return final


def checkpoint_bytes(folder: Path) -> int:
    """Size of a checkpoint folder's files."""
    return sum(file.stat().st_size for file in folder.iterdir())


def policy_hash(folder: Path) -> str:
    """blake3 of a checkpoint's policy file."""
    return hash_file(folder / POLICY)


def read_resume(run: RunFolder) -> tuple[Path, dict[str, Any]]:
    """The latest checkpoint's folder and its resume state, read without executing anything.

    Raises:
        UserError: there is no complete checkpoint, or another version wrote it.
    """
    folder = run.latest
    try:
        state = torch.load(folder / RESUME, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(
            f"{run.path} has no complete checkpoint to resume from: train the case anew."
        ) from error
    except Exception as error:  # whatever unpickling damaged bytes raises
        raise UserError(
            f"{folder / RESUME} is damaged ({reason_of(error)}): train the case anew, or point "
            f"{run.latest} at an older step-… folder that holds a {RESUME}."
        ) from error
    if not isinstance(state, dict) or (missing := sorted(RESUME_KEYS - state.keys())):
        missing = missing if isinstance(state, dict) else ["its keys"]
        raise UserError(
            f"{folder / RESUME} lacks {', '.join(missing)}, so another version of this program "
            "wrote it: go on with that version, or train the case anew."
        )
    return folder.resolve(strict=True), state


def unrecorded_checkpoint(run: RunFolder, events: Iterable[AnyEvent]) -> Checkpoint | None:
    """The event that is missing of the latest checkpoint, made of what stands in its folder.

    A process that is killed between the move of `latest` and the event leaves such a checkpoint.
    None where `latest` is recorded, or where there is none.

    Raises: UserError where the checkpoint cannot be read.
    """
    if run.latest_step is None:
        return None
    folder = run.latest.resolve(strict=True)
    path = f"checkpoints/{folder.name}/{POLICY}"
    written = list(events)
    digest = policy_hash(folder)
    if any(isinstance(e, Checkpoint) and (e.path, e.blake3) == (path, digest) for e in written):
        return None
    metadata = read_info(folder / POLICY).metadata
    step, epoch = int(metadata["step"]), int(metadata["epoch"])
    validated = [e for e in written if isinstance(e, Epoch) and e.step == step]
    last = validated[-1] if validated else None
    return Checkpoint(
        path=path,
        step=step,
        epoch=epoch,
        bytes=checkpoint_bytes(folder),
        blake3=digest,
        val_loss=last.val_loss if last else None,
        val_mae=last.val_mae if last else None,
        val_unheard=last.val_unheard if last else msgspec.UNSET,
        best=run.best.exists() and run.best.resolve() == folder,
        best_by=read_case(run.case_yaml).recipe.best_by,
        reconciled=True,
        files=file_hashes(run.path, [f"checkpoints/{folder.name}/{RESUME}"]),
    )


def random_state() -> dict[str, Any]:
    """The state of every generator that training draws from: the CPU's and each GPU's."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "gpus": gpus}


def restore_rank(state: dict[str, Any], rank: int, size: int) -> bool:
    """Set the generators of this rank as a checkpoint holds them.

    False, and nothing is set, where other than `size` ranks wrote it.
    """
    ranks = state.get("ranks", [state])
    if len(ranks) != size:
        return False
    restore_random(ranks[rank])
    return True


def restore_random(state: dict[str, Any]) -> None:
    """Set the generators to a `random_state`; GPUs that this machine lacks are left out."""
    torch.set_rng_state(state["cpu"])
    for device, gpu in zip(range(torch.cuda.device_count()), state["gpus"], strict=False):
        torch.cuda.set_rng_state(gpu, device)


def _point(link: Path, target: Path) -> None:
    beside = part_name(link)
    beside.symlink_to(target.name)
    beside.replace(link)
    sync_folder(link.parent)


def prune(run: RunFolder, keep_steps: int = 0) -> None:
    """Remove checkpoints to which neither `latest` nor `best` points, and what a kill left.

    At multiples of `keep_steps` optimiser steps the policy file stays.
    """
    linked = {link.resolve() for link in (run.latest, run.best) if link.is_symlink()}
    for folder in run.checkpoints.glob("step-*"):
        if folder.resolve() in linked:
            continue
        if keep_steps and int(folder.name.removeprefix("step-")) % keep_steps == 0:
            (folder / RESUME).unlink(missing_ok=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sweep_parts(run.checkpoints)
