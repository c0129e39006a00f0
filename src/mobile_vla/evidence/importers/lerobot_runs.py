"""LeRobot's training folders: `checkpoints/<step>/pretrained_model/train_config.json`."""

from __future__ import annotations

from pathlib import Path

from mobile_vla.evidence.importers.run_builder import (
    Files,
    factors_of,
    make_view,
    settings_known,
    whole_number,
)
from mobile_vla.evidence.importers.tolerant_config import read_json
from mobile_vla.evidence.model import CheckpointView, Foreign, RunView, State
from mobile_vla.evidence.verify_checkpoint import inspect
from mobile_vla.messages.reason import reason

WEIGHTS = "model.safetensors"


def lerobot_folders(configs: list[Path]) -> dict[Path, list[Path]]:
    """The `train_config.json` files by run folder, in the order of their steps."""
    found: dict[Path, list[Path]] = {}
    for config in configs:
        parts = config.parts
        deep = len(parts) > 4 and parts[-2] == "pretrained_model" and parts[-4] == "checkpoints"
        found.setdefault(config.parents[3] if deep else config.parent, []).append(config)
    return {folder: sorted(named) for folder, named in found.items()}


def lerobot_view(folder: Path, configs: list[Path], files: Files) -> RunView:
    """One run: its last configuration, and every checkpoint. Links such as `last` are no second.

    Errors: `OSError`, `ValueError` where the configuration cannot be read.
    """
    config = configs[-1]
    values, warning = read_json(config)
    settings = settings_known(values, files.at(config))
    views = [_checkpoint(path.parent, files) for path in configs if not _linked(path, folder)]
    total = whole_number(settings.get("steps"))
    steps = max((view.step for view in views if view.step is not None), default=None)
    name = str(values.get("job_name") or folder.name)
    return make_view(
        name, folder, _state(views, steps, total), [files.at(config, "key steps")],
        Foreign(maker="LeRobot", files=[path.as_posix() for path in configs],
                checkpoints=views, settings=settings),
        conflicts=[
            *([f"{config.as_posix()} is {warning}"] if warning else []),
            *(
                reason("run.checkpoint_problem", checkpoint=view.path, problem=view.problem)
                for view in views if view.problem
            ),
        ],
        factors=factors_of(settings), steps=steps, total_steps=total,
    )  # fmt: skip


def _linked(path: Path, folder: Path) -> bool:
    return any(parent.is_symlink() for parent in path.parents if folder in parent.parents)


def _checkpoint(folder: Path, files: Files) -> CheckpointView:
    weights = folder / WEIGHTS
    found, named = inspect(weights), folder.parent.name
    return CheckpointView(
        path=weights.as_posix(),
        step=int(named) if named.isdigit() else None,
        epoch=None,
        bytes=found.bytes,
        val_loss=None,
        problem=found.problem,
        evidence=files.at(weights),
    )


def _state(views: list[CheckpointView], steps: int | None, total: int | None) -> tuple[State, str]:
    good = [view for view in views if view.problem is None]
    if steps is not None and total is not None and steps >= total:
        if any(view.step == steps for view in good):
            return "finished", f"its checkpoint at step {steps} of {total} loads"
        return "unverified", f"it has a checkpoint at step {steps} of {total} that does not load"
    reached = f"its last checkpoint is at step {steps} of {total or 'an unknown number'}"
    return "unknown", f"{reached}; how it ended is not in its files"
