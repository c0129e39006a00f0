"""Checkpoint folders named by their step (LeRobot, Hugging Face), and how far they show a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mobile_vla.evidence.importers.lightning_checkpoints import folder_bytes
from mobile_vla.evidence.importers.run_builder import Files
from mobile_vla.evidence.model import CheckpointView, State
from mobile_vla.evidence.verify_checkpoint import inspect
from mobile_vla.messages.reason import Reason, reason

WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
STEP = re.compile(r"(?:^|-)(\d+)$")


def step_view(folder: Path, name: str, files: Files) -> CheckpointView:
    """One checkpoint: complete weights, or an adapter's. `name` ends in its step."""
    weights = next((folder / w for w in WEIGHTS if (folder / w).is_file()), None)
    shards = sorted(folder.glob("model-*-of-*.safetensors"))[:1000]
    problem: Reason | None = None
    if weights is not None:
        content = inspect(weights)
        size, problem = content.bytes, content.problem
    elif shards:
        parts = [inspect(shard) for shard in shards]
        size = sum(part.bytes for part in parts)
        problem = next((part.problem for part in parts if part.problem), None)
    else:
        size, problem = folder_bytes(folder), reason("import.no_safetensors")
    step = STEP.search(name)
    return CheckpointView(
        path=(weights or folder).as_posix(), step=int(step[1]) if step else None, epoch=None,
        bytes=size, val_loss=None, problem=problem,
        evidence=files.at(weights or folder),
    )  # fmt: skip


def step_state(
    views: Sequence[CheckpointView], steps: int | None, total: int | None
) -> tuple[State, Reason]:
    """The state that checkpoints show: finished where one at the last planned step loads."""
    progress: list[str | int | float | Reason | None] = [steps or 0, total]
    if steps is not None and total is not None and steps >= total:
        if any(view.step == steps and view.problem is None for view in views):
            return "finished", reason("import.step_loads", progress=progress)
        return "unverified", reason("import.step_broken", progress=progress)
    if steps is None:
        return "unknown", reason("import.folder_no_checkpoint")
    return "unknown", reason("import.step_reached", progress=progress)
