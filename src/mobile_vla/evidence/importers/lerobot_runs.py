"""LeRobot's training folders: `checkpoints/<step>/pretrained_model/train_config.json`."""

from __future__ import annotations

from pathlib import Path

from mobile_vla.evidence.importers.discover import absolute
from mobile_vla.evidence.importers.formats.tolerant_config import Settings, read_json
from mobile_vla.evidence.importers.run_builder import (
    Files,
    factors_of,
    integer,
    known_settings,
    make_view,
)
from mobile_vla.evidence.importers.step_checkpoints import step_state, step_view
from mobile_vla.evidence.model import Foreign, RunView
from mobile_vla.messages.reason import reason


def lerobot_folders(configs: list[Path]) -> dict[Path, list[Path]]:
    """The `train_config.json` files by run folder, in the order of their steps."""
    folders: dict[Path, list[Path]] = {}
    for config in configs:
        parts = absolute(config).parts
        deep = len(parts) > 4 and parts[-2] == "pretrained_model" and parts[-4] == "checkpoints"
        folder = Path(*parts[:-4]) if deep else Path(*parts[:-1])
        folders.setdefault(folder, []).append(config)
    return {folder: sorted(of_run) for folder, of_run in folders.items()}


def lerobot_view(folder: Path, configs: list[Path], files: Files) -> RunView:
    """One run: its last configuration, and every checkpoint. Links such as `last` do not count.

    Raises: OSError; ValueError where the configuration cannot be read.
    """
    config = configs[-1]
    values, warning = read_json(config)
    settings = known_settings(values, files.at(config))
    folders = [path.parent for path in configs if not _linked(path)]
    views = [step_view(path, absolute(path).parent.name, files) for path in folders]
    total = integer(settings.get("steps"))
    steps = max((view.step for view in views if view.step is not None), default=None)
    notes = (
        [reason("import.file_problem", file=config.as_posix(), problem=warning)] if warning else []
    )
    foreign = Foreign(
        maker="LeRobot", files=[path.as_posix() for path in configs], checkpoints=views,
        settings=settings,
    )  # fmt: skip
    return make_view(
        run_name(values, folder), folder, step_state(views, steps, total),
        [files.at(config, "key steps")], foreign, conflicts=notes,
        factors=factors_of(settings), steps=steps, total_steps=total,
    )  # fmt: skip


def run_name(values: Settings, folder: Path) -> str:
    """The job's name; the folder's where it is missing or LeRobot's default, the policy's type."""
    policy = values.get("policy")
    kind = str(policy.get("type") or "") if isinstance(policy, dict) else ""
    job = str(values.get("job_name") or "")
    default = job == kind or (kind and job.endswith(f"_{kind}") and values.get("env"))
    return folder.name if not job or default else job


def _linked(path: Path) -> bool:
    return path.parent.is_symlink() or path.parent.parent.is_symlink()
