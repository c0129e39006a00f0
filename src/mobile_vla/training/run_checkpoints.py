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
from pathlib import Path
from typing import Any

import torch

from mobile_vla.messages.errors import UserError
from mobile_vla.policy.checkpoints.policy_checkpoint import save_policy
from mobile_vla.policy.policy import Policy
from mobile_vla.runs.files import explain_os_error, folder_beside, hash_file, sync_folder
from mobile_vla.runs.folder import RunFolder

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
        state = torch.load(folder / RESUME, weights_only=True)
    except FileNotFoundError as error:
        raise UserError(
            f"{run.path} has no whole checkpoint to resume from: train the case anew."
        ) from error
    if missing := sorted(RESUME_KEYS - state.keys()):
        raise UserError(
            f"{folder / RESUME} lacks {', '.join(missing)}, so another version of this program "
            "wrote it: go on with that version, or train the case anew."
        )
    return folder.resolve(strict=True), state


def random_state() -> dict[str, Any]:
    """The state of every generator that training draws from: the CPU's and each GPU's."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "gpus": gpus}


def restore_random(state: dict[str, Any]) -> None:
    """Set the generators to a `random_state`."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["gpus"])


def _point(link: Path, target: Path) -> None:
    beside = link.with_name(f".{link.name}.part")
    beside.unlink(missing_ok=True)
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
    for beside in run.checkpoints.glob(".step-*.part"):
        shutil.rmtree(beside, ignore_errors=True)
